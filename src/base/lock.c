/*
 * The two halves of LOCKED.
 */
#include "base/lock.h"

void
lock_guard_release(LockGuard **guard)
{
	pthread_mutex_unlock(*guard);
}

LockGuard *
lock_guard_take(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}
