/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compresses buffers for tests, with whichever libraries this build has.
 */
#ifndef TESTS_UTIL_PACK_H
#define TESTS_UTIL_PACK_H

#include <stdlib.h>
#include <string.h>

#include "util/decompress.h"

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_LZMA
#include <lzma.h>
#endif

/* @data as a stream of format @c; the caller frees. NULL: this build has not the library. */
static inline u8 *test_pack(enum compression c, const void *data, size_t len, size_t *ret_len)
{
	size_t room = len + len / 8 + 4096;
	u8 *out = malloc(room);

	switch (c) {
#ifdef HAVE_ZLIB
	case COMPRESSION_GZIP: {
		z_stream z;

		memset(&z, 0, sizeof(z));
		deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
		z.next_in = (Bytef *)(uintptr_t)data;
		z.avail_in = (uInt)len;
		z.next_out = out;
		z.avail_out = (uInt)room;
		deflate(&z, Z_FINISH);
		*ret_len = z.total_out;
		deflateEnd(&z);
		return out;
	}
#endif
#ifdef HAVE_ZSTD
	case COMPRESSION_ZSTD:
		*ret_len = ZSTD_compress(out, room, data, len, 3);
		return out;
#endif
#ifdef HAVE_LZMA
	case COMPRESSION_XZ: {
		size_t pos = 0;

		if (lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, data, len, out, &pos, room) != LZMA_OK)
			break;
		*ret_len = pos;
		return out;
	}
#endif
	default:
		break;
	}
	free(out);
	return NULL;
}

#endif
