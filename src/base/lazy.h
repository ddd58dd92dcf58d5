/*
 * Libraries that are only loaded when they are first called. `carrack` is started for every small
 * question, and loading libcurl and libarchive with their forty libraries takes longer than all
 * else that it does: `carrack --help` took 13 ms with them and takes 3 ms without.
 *
 * http-lazy.c and tar-lazy.c define the functions of the two libraries that base calls, each as a
 * jump into the real one. A program that is linked with these files does not need the libraries at
 * its start; one that is not, is linked with the libraries as usual. A function that is missing
 * there only costs the time again.
 */
#pragma once

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

/* Hidden, so that the libraries' own calls do not come here. */
#define LAZY_FORWARD(result, name, parameters, arguments)                                          \
	__attribute__((visibility("hidden"))) result name parameters                               \
	{                                                                                          \
		return ((typeof(&name))library_symbol(#name))arguments;                            \
	}
