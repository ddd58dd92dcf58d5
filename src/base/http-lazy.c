/*
 * libcurl, loaded when it is first called (lazy.h).
 */
#define CURL_DISABLE_TYPECHECK
#include "base/lazy.h"

#include <curl/curl.h>
#include <stdarg.h>

#define LIBRARY "libcurl.so.4"

#if LIBCURL_VERSION_NUM < 0x080000
typedef CURLU ReadUrl;
#else
typedef const CURLU ReadUrl;
#endif

/* After the first time dlopen only counts. */
static void *
library_symbol(const char *name)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	void *symbol = library ? dlsym(library, name) : NULL;
	if (symbol)
		return symbol;

	/* A broken installation: there is no call that could fail instead. */
	dprintf(STDERR_FILENO, "ERROR: %s\n", dlerror());
	_exit(1);
}

/* clang-format off */
LAZY_FORWARD(CURLcode, curl_global_init, (long flags), (flags))
LAZY_FORWARD(void, curl_free, (void *memory), (memory))
LAZY_FORWARD(CURL *, curl_easy_init, (void), ())
LAZY_FORWARD(void, curl_easy_cleanup, (CURL *easy), (easy))
LAZY_FORWARD(void, curl_easy_reset, (CURL *easy), (easy))
LAZY_FORWARD(CURLcode, curl_easy_recv, (CURL *easy, void *buffer, size_t size, size_t *count), (easy, buffer, size, count))
LAZY_FORWARD(CURLcode, curl_easy_send, (CURL *easy, const void *buffer, size_t size, size_t *count), (easy, buffer, size, count))
LAZY_FORWARD(const char *, curl_easy_strerror, (CURLcode code), (code))
LAZY_FORWARD(CURLM *, curl_multi_init, (void), ())
LAZY_FORWARD(CURLMcode, curl_multi_cleanup, (CURLM *multi), (multi))
LAZY_FORWARD(CURLMcode, curl_multi_add_handle, (CURLM *multi, CURL *easy), (multi, easy))
LAZY_FORWARD(CURLMcode, curl_multi_remove_handle, (CURLM *multi, CURL *easy), (multi, easy))
LAZY_FORWARD(CURLMcode, curl_multi_perform, (CURLM *multi, int *running), (multi, running))
LAZY_FORWARD(CURLMcode, curl_multi_poll, (CURLM *multi, struct curl_waitfd *extra, unsigned count, int timeout, int *ready), (multi, extra, count, timeout, ready))
LAZY_FORWARD(CURLMsg *, curl_multi_info_read, (CURLM *multi, int *left), (multi, left))
LAZY_FORWARD(struct curl_slist *, curl_slist_append, (struct curl_slist *list, const char *text), (list, text))
LAZY_FORWARD(void, curl_slist_free_all, (struct curl_slist *list), (list))
LAZY_FORWARD(CURLU *, curl_url, (void), ())
LAZY_FORWARD(void, curl_url_cleanup, (CURLU *url), (url))
LAZY_FORWARD(CURLUcode, curl_url_get, (ReadUrl *url, CURLUPart part, char **text, unsigned flags), (url, part, text, flags))
LAZY_FORWARD(CURLUcode, curl_url_set, (CURLU *url, CURLUPart part, const char *text, unsigned flags), (url, part, text, flags))
/* clang-format on */

/* What the third argument is, the number of the option says. */
__attribute__((visibility("hidden"))) CURLcode
curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	typeof(&curl_easy_setopt) set = library_symbol("curl_easy_setopt");
	int kind = (int)option / 10000 * 10000;
	va_list arguments;
	CURLcode result;

	va_start(arguments, option);
	if (kind == CURLOPTTYPE_LONG)
		result = set(easy, option, va_arg(arguments, long));
	else if (kind == CURLOPTTYPE_OFF_T)
		result = set(easy, option, va_arg(arguments, curl_off_t));
	else
		result = set(easy, option, va_arg(arguments, void *));
	va_end(arguments);
	return result;
}

/* Always a pointer to where the answer goes. */
__attribute__((visibility("hidden"))) CURLcode
curl_easy_getinfo(CURL *easy, CURLINFO what, ...)
{
	typeof(&curl_easy_getinfo) get = library_symbol("curl_easy_getinfo");
	va_list arguments;

	va_start(arguments, what);
	void *answer = va_arg(arguments, void *);
	va_end(arguments);
	return get(easy, what, answer);
}
