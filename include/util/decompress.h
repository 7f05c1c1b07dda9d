/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compressed streams, read a piece at a time into memory of the caller, so
 * that a kernel is unpacked where it is to run. Which formats can be unpacked
 * depends on the libraries lkvm was built with; more are recognised, to be
 * refused by name.
 */
#ifndef UTIL_DECOMPRESS_H
#define UTIL_DECOMPRESS_H

#include <sys/types.h>

#include "util/error.h"

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSION_XZ,
	COMPRESSION_BZIP2,	/* from here on: known by sight only */
	COMPRESSION_LZ4,
	COMPRESSION_LZMA,
	COMPRESSION_LZO,
};

/* By the first bytes of a file. */
enum compression compression_detect(const u8 *head, size_t len);
const char *compression_name(enum compression c);
/* The library that unpacks it, as the build knows it, or NULL when lkvm has no code for the format. */
const char *compression_library(enum compression c);
/* Is that library in this build? */
bool compression_supported(enum compression c);
/* Gets the library of a supported format ready; what is wrong with it goes into @err. decompress_open() does it too, without a word. */
int compression_load(enum compression c, struct error *err);

struct decompress;

/* Compressed bytes at @off of the source: how many, 0 at its end, or -errno. Called by decompress_read() only. */
typedef ssize_t (*decompress_source)(void *arg, void *buf, size_t len, u64 off);

/*
 * -EOPNOTSUPP: not in this build. After @max bytes of output a stream that
 * still goes on is -EFBIG. One thread at a time.
 */
int decompress_open(enum compression c, decompress_source source, void *arg, u64 max, struct decompress **ret);
/*
 * The next bytes: fewer than @len at the end of the stream only. -EBADMSG:
 * corrupt; -ENODATA: the source ended too early; -EFBIG; -ENOMEM; the source's -errno.
 * After an error the stream is of no use.
 */
ssize_t decompress_read(struct decompress *d, void *buf, size_t len);
void decompress_close(struct decompress *d);	/* NULL is fine */

#endif
