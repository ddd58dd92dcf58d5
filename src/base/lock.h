/*
 * A mutex that is held until the end of the block it is taken in: `LOCKED (&table->lock);`. The one
 * macro of the project that hides control flow. Plain pthread mutexes, because ThreadSanitizer
 * understands those.
 */
#pragma once

#include <pthread.h>

typedef pthread_mutex_t LockGuard;

void
lock_guard_release(LockGuard **guard);

LockGuard *
lock_guard_take(pthread_mutex_t *mutex);

#define LOCKED_NAME_(line) lock_guard_##line
#define LOCKED_NAME(line) LOCKED_NAME_(line)
#define LOCKED(mutex)                                                                              \
	__attribute__((cleanup(lock_guard_release), unused)) LockGuard *LOCKED_NAME(__LINE__) =    \
	    lock_guard_take(mutex)
