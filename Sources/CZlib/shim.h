// zlib, and its function-like macros as functions: Swift imports no macro with arguments.
#ifndef APUS_ZLIB_SHIM_H
#define APUS_ZLIB_SHIM_H

#include <zlib.h>

// Window bits: 15 for zlib's format, -15 for bare deflate, 31 for gzip.
static inline int apus_inflate_init(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }
static inline int apus_deflate_init(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}

#endif
