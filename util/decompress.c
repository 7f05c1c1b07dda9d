/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gzip [RFC 1952], Zstandard [RFC 8878] and xz [.xz file format 1.2.0]
 * streams, by zlib, libzstd and liblzma, behind one pull interface. A file of
 * several members is one stream, as for the programs of the same names;
 * padding or garbage after a gzip member ends it. Left out on purpose: the
 * formats that no current kernel build offers for x86, arm64 and riscv64 by
 * default (bzip2, lzma, lzo, lz4), which are recognised only.
 *
 * The libraries are loaded when the first stream of their format is opened (util/dl.h).
 *
 * The data is not trusted: decoder memory is bounded (DECODER_MEMORY), output by the caller.
 */
#include "util/decompress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/dl.h"

#ifdef HAVE_ZLIB
#include <zlib.h>
#define ZLIB_CALLS(X) X(inflateInit2_) X(inflate) X(inflateReset) X(inflateEnd)
DL_LIBRARY(zlib, "libz.so.1", ZLIB_CALLS);
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#define ZSTD_CALLS(X) X(ZSTD_createDStream) X(ZSTD_DCtx_setParameter) X(ZSTD_decompressStream) X(ZSTD_isError) X(ZSTD_freeDStream)
DL_LIBRARY(zstd, "libzstd.so.1", ZSTD_CALLS);
#endif
#ifdef HAVE_LZMA
#include <lzma.h>
#define LZMA_CALLS(X) X(lzma_stream_decoder) X(lzma_code) X(lzma_end)
DL_LIBRARY(lzma, "liblzma.so.5", LZMA_CALLS);
#endif

enum { IN_SIZE = 128 * 1024 };
#define DECODER_MEMORY (160 * MIB)	/* enough for `zstd --ultra -22` and `xz -9` */

struct codec {
	int (*load)(struct error *err);
	int (*open)(struct decompress *d);
	/*
	 * Consumes from d->in, writes below *len bytes at *out and moves both.
	 * 0: did what it could; 1: the stream is over; -errno.
	 */
	int (*step)(struct decompress *d, u8 **out, size_t *len);
	void (*close)(struct decompress *d);
};

struct decompress {
	const struct codec *codec;
	decompress_source source;
	void *arg;		/* borrowed */
	u64 in_off;		/* of the source: first byte not yet read */
	size_t in_pos, in_len;	/* bytes of in[] used and valid */
	bool in_end;		/* the source has no more */
	bool end;		/* the stream is over */
	u64 left;		/* output still allowed */
	union {
#ifdef HAVE_ZLIB
		z_stream z;
#endif
#ifdef HAVE_ZSTD
		struct {
			ZSTD_DStream *s;	/* owned */
			bool frame_done;
		} zstd;
#endif
#ifdef HAVE_LZMA
		lzma_stream xz;
#endif
		int none;
	};
	u8 in[IN_SIZE];
};

enum compression compression_detect(const u8 *head, size_t len)
{
	static const struct {
		enum compression c;
		u8 len;
		u8 magic[9];
	} table[] = {
		{ COMPRESSION_GZIP, 3, { 0x1f, 0x8b, 8 } },
		{ COMPRESSION_ZSTD, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
		{ COMPRESSION_XZ, 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
		{ COMPRESSION_BZIP2, 3, { 'B', 'Z', 'h' } },
		{ COMPRESSION_LZ4, 4, { 0x02, 0x21, 0x4c, 0x18 } },	/* the legacy frame, which kernels use */
		{ COMPRESSION_LZ4, 4, { 0x04, 0x22, 0x4d, 0x18 } },
		{ COMPRESSION_LZMA, 3, { 0x5d, 0, 0 } },
		{ COMPRESSION_LZO, 9, { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n' } },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (len >= table[i].len && !memcmp(head, table[i].magic, table[i].len))
			return table[i].c;
	return COMPRESSION_NONE;
}

const char *compression_name(enum compression c)
{
	static const char *const name[] = { "uncompressed", "gzip", "zstd", "xz", "bzip2", "lz4", "lzma", "lzo" };

	return name[c];
}

const char *compression_library(enum compression c)
{
	switch (c) {
	case COMPRESSION_GZIP:
		return "zlib";
	case COMPRESSION_ZSTD:
		return "libzstd";
	case COMPRESSION_XZ:
		return "liblzma";
	default:
		return NULL;
	}
}

/* Keeps what is unused of in[] and reads more behind it. */
static int fill(struct decompress *d)
{
	ssize_t n;

	if (d->in_end)
		return 0;
	memmove(d->in, d->in + d->in_pos, d->in_len - d->in_pos);
	d->in_len -= d->in_pos;
	d->in_pos = 0;
	n = d->source(d->arg, d->in + d->in_len, sizeof(d->in) - d->in_len, d->in_off);
	if (n < 0)
		return (int)n;
	if (!n)
		d->in_end = true;
	d->in_len += n;
	d->in_off += n;
	return 0;
}

/* After a member: does one more of the same format follow? 1, 0 or -errno. */
UNUSED static int another_member(struct decompress *d, enum compression c)
{
	int r;

	while (d->in_len - d->in_pos < 4 && !d->in_end) {
		r = fill(d);
		if (r < 0)
			return r;
	}
	return compression_detect(d->in + d->in_pos, d->in_len - d->in_pos) == c;
}

#ifdef HAVE_ZLIB
static int gzip_load(struct error *err)
{
	return DL_LOAD(zlib, err);
}

static int gzip_open(struct decompress *d)
{
	/* inflateInit2(); + 16: a gzip header and trailer */
	return zlib.inflateInit2_(&d->z, 15 + 16, ZLIB_VERSION, (int)sizeof(d->z)) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_step(struct decompress *d, u8 **out, size_t *len)
{
	uInt room = (uInt)MIN(*len, (size_t)1 << 30);
	int z, r;

	d->z.next_in = d->in + d->in_pos;
	d->z.avail_in = (uInt)(d->in_len - d->in_pos);
	d->z.next_out = *out;
	d->z.avail_out = room;
	z = zlib.inflate(&d->z, Z_NO_FLUSH);
	d->in_pos = d->in_len - d->z.avail_in;
	*out += room - d->z.avail_out;
	*len -= room - d->z.avail_out;
	if (z == Z_OK || z == Z_BUF_ERROR)
		return 0;
	if (z != Z_STREAM_END)
		return z == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	r = another_member(d, COMPRESSION_GZIP);
	if (r <= 0)
		return r < 0 ? r : 1;
	zlib.inflateReset(&d->z);
	return 0;
}

static void gzip_close(struct decompress *d)
{
	zlib.inflateEnd(&d->z);
}

static const struct codec gzip_codec = { gzip_load, gzip_open, gzip_step, gzip_close };
#endif

#ifdef HAVE_ZSTD
static int zstd_load(struct error *err)
{
	return DL_LOAD(zstd, err);
}

static int zstd_open(struct decompress *d)
{
	d->zstd.s = zstd.ZSTD_createDStream();
	if (!d->zstd.s)
		return -ENOMEM;
	/* Windows of at most 128 MiB, as `zstd -d` allows without --long. */
	zstd.ZSTD_DCtx_setParameter(d->zstd.s, ZSTD_d_windowLogMax, 27);
	return 0;
}

static int zstd_step(struct decompress *d, u8 **out, size_t *len)
{
	ZSTD_outBuffer ob = { *out, *len, 0 };
	ZSTD_inBuffer in;
	size_t z;
	int r;

	if (d->zstd.frame_done) {
		r = another_member(d, COMPRESSION_ZSTD);
		if (r <= 0)
			return r < 0 ? r : 1;
	}
	in = (ZSTD_inBuffer){ d->in + d->in_pos, d->in_len - d->in_pos, 0 };
	z = zstd.ZSTD_decompressStream(d->zstd.s, &ob, &in);
	d->in_pos += in.pos;
	*out += ob.pos;
	*len -= ob.pos;
	if (zstd.ZSTD_isError(z))
		return -EBADMSG;
	d->zstd.frame_done = !z;
	return 0;
}

static void zstd_close(struct decompress *d)
{
	zstd.ZSTD_freeDStream(d->zstd.s);
}

static const struct codec zstd_codec = { zstd_load, zstd_open, zstd_step, zstd_close };
#endif

#ifdef HAVE_LZMA
static int xz_load(struct error *err)
{
	return DL_LOAD(lzma, err);
}

static int xz_open(struct decompress *d)
{
	d->xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma.lzma_stream_decoder(&d->xz, DECODER_MEMORY, LZMA_CONCATENATED) == LZMA_OK ? 0 : -ENOMEM;
}

static int xz_step(struct decompress *d, u8 **out, size_t *len)
{
	lzma_ret z;

	d->xz.next_in = d->in + d->in_pos;
	d->xz.avail_in = d->in_len - d->in_pos;
	d->xz.next_out = *out;
	d->xz.avail_out = *len;
	z = lzma.lzma_code(&d->xz, d->in_end ? LZMA_FINISH : LZMA_RUN);
	d->in_pos = d->in_len - d->xz.avail_in;
	*out = d->xz.next_out;
	*len = d->xz.avail_out;
	switch (z) {
	case LZMA_OK:
	case LZMA_BUF_ERROR:
		return 0;
	case LZMA_STREAM_END:
		return 1;
	case LZMA_MEM_ERROR:
	case LZMA_MEMLIMIT_ERROR:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
}

static void xz_close(struct decompress *d)
{
	lzma.lzma_end(&d->xz);
}

static const struct codec xz_codec = { xz_load, xz_open, xz_step, xz_close };
#endif

static const struct codec *codec_of(enum compression c)
{
	switch (c) {
#ifdef HAVE_ZLIB
	case COMPRESSION_GZIP:
		return &gzip_codec;
#endif
#ifdef HAVE_ZSTD
	case COMPRESSION_ZSTD:
		return &zstd_codec;
#endif
#ifdef HAVE_LZMA
	case COMPRESSION_XZ:
		return &xz_codec;
#endif
	default:
		return NULL;
	}
}

bool compression_supported(enum compression c)
{
	return codec_of(c) != NULL;
}

int compression_load(enum compression c, struct error *err)
{
	const struct codec *codec = codec_of(c);

	return codec ? codec->load(err) : -EOPNOTSUPP;
}

int decompress_open(enum compression c, decompress_source source, void *arg, u64 max, struct decompress **ret)
{
	const struct codec *codec = codec_of(c);
	struct decompress *d;
	int r;

	if (!codec)
		return -EOPNOTSUPP;
	r = codec->load(NULL);
	if (r < 0)
		return r;
	d = malloc(sizeof(*d));
	if (!d)
		return -ENOMEM;
	memset(d, 0, offsetof(struct decompress, in));	/* in[] stays untouched until data comes */
	d->codec = codec;
	d->source = source;
	d->arg = arg;
	d->left = max;
	r = codec->open(d);
	if (r < 0) {
		free(d);
		return r;
	}
	*ret = d;
	return 0;
}

/* Fills @len bytes unless the stream ends first; gives how many. */
static ssize_t produce(struct decompress *d, u8 *buf, size_t len)
{
	size_t left = len, in_before, left_before;
	u8 *out = buf;
	int r;

	while (left && !d->end) {
		if (d->in_pos == d->in_len) {
			r = fill(d);
			if (r < 0)
				return r;
		}
		in_before = d->in_len - d->in_pos;
		left_before = left;
		r = d->codec->step(d, &out, &left);
		if (r < 0)
			return r;
		if (r)
			d->end = true;
		else if (left == left_before && d->in_len - d->in_pos == in_before && d->in_end)
			return -ENODATA;
	}
	return (ssize_t)(len - left);
}

ssize_t decompress_read(struct decompress *d, void *buf, size_t len)
{
	size_t want = (size_t)MIN((u64)len, d->left);
	ssize_t n, more;
	u8 probe;

	n = produce(d, buf, want);
	if (n < 0)
		return n;
	d->left -= n;
	if (len > want && !d->end) {
		more = produce(d, &probe, 1);
		if (more)
			return more < 0 ? more : -EFBIG;
	}
	return n;
}

void decompress_close(struct decompress *d)
{
	if (!d)
		return;
	d->codec->close(d);
	free(d);
}
