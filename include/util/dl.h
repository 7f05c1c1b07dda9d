/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Optional libraries that few runs need: loaded when first needed, so that the other runs pay nothing for them. A file that
 * uses one lists the library's functions once and calls them through a table:
 *
 *	#define ZLIB_CALLS(X) X(inflateInit2_) X(inflate) X(inflateEnd)
 *	DL_LIBRARY(zlib, "libz.so.1", ZLIB_CALLS);
 *
 *	r = DL_LOAD(zlib, err);		0, or -errno with the library named in err
 *	zlib.inflate(&z, Z_NO_FLUSH);
 *
 * The header of the library is needed to build, for the types. Where LIBS_BY_DLOPEN is not defined (static builds, where dlopen does
 * not work; unit tests and fuzz targets) the table is const and the library linked in. The Makefile's dl_srcs names the files that
 * are built both ways, dl_libs the libraries that only they use.
 *
 * What is loaded stays for the life of the process: do it before the process locks itself in. The tables are the one kind
 * of file-scope variable that is not const: they belong to the process as the library itself does, and only dl_load() writes them.
 */
#ifndef UTIL_DL_H
#define UTIL_DL_H

#include <stdatomic.h>

#include "util/error.h"

struct dl_library {
	const char *soname;
	const char *const *name;	/* of the functions, NULL at the end */
	void **table;			/* their addresses go here, in the same order */
	atomic_bool loaded;
};

/*
 * Fills the table. Any thread, any number of times; what another thread has filled is seen by all that get 0.
 * -ENOENT: the library is not on this machine; -ENOEXEC: it lacks a function.
 */
int dl_load(struct dl_library *lib, struct error *err);

#define DL_POINTER_(fn) __typeof__(fn) *fn;
#define DL_NAME_(fn) #fn,
#define DL_LINKED_(fn) .fn = fn,

#ifdef LIBS_BY_DLOPEN
#define DL_LIBRARY(lib, so, CALLS)							\
	static union {									\
		struct { CALLS(DL_POINTER_) };						\
		void *dl_table[1];							\
	} lib;										\
	static const char *const lib##_names[] = { CALLS(DL_NAME_) NULL };		\
	_Static_assert(sizeof(lib) == sizeof(lib##_names) - sizeof(void *), #lib);	\
	static struct dl_library lib##_library = { .soname = so, .name = lib##_names, .table = lib.dl_table }
#define DL_LOAD(lib, err) dl_load(&lib##_library, err)
#else
#define DL_LIBRARY(lib, so, CALLS) static const struct { CALLS(DL_POINTER_) } lib = { CALLS(DL_LINKED_) }
#define DL_LOAD(lib, err) ((void)(err), 0)
#endif

#endif
