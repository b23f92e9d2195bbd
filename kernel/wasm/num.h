/* SPDX-License-Identifier: Apache-2.0 */
/* num.h - WebAssembly arithmetic to the letter (spec 4.3), on 64-bit slots.
 *
 * i32 and f32 live zero-extended. Every operation that may make a NaN makes the
 * canonical one, so results do not depend on the processor; what only moves
 * bits (neg, abs, copysign, loads) keeps them, as the specification says. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define F32_NAN 0x7fc00000u
#define F64_NAN 0x7ff8000000000000u

static inline float
f32_of(uint64_t slot)
{
	const uint32_t bits = (uint32_t)slot;
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

static inline double
f64_of(uint64_t slot)
{
	double value;

	memcpy(&value, &slot, sizeof value);
	return value;
}

static inline uint64_t
f32_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static inline uint64_t
f64_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static inline uint64_t
f32_out(float value)
{
	return __builtin_expect(value != value, 0) ? F32_NAN : f32_bits(value);
}

static inline uint64_t
f64_out(double value)
{
	return __builtin_expect(value != value, 0) ? F64_NAN : f64_bits(value);
}

#define NUM_MINMAX(type, T, BITS, sign)                                                        \
	static inline uint64_t type##_min(T x, T y)                                            \
	{                                                                                      \
		if (x != x || y != y)                                                          \
			return BITS;                                                           \
		if (x == y) /* the zeros differ in sign alone */                               \
			return type##_bits(x) | type##_bits(y);                                \
		return type##_bits(x < y ? x : y);                                             \
	}                                                                                      \
	static inline uint64_t type##_max(T x, T y)                                            \
	{                                                                                      \
		if (x != x || y != y)                                                          \
			return BITS;                                                           \
		if (x == y)                                                                    \
			return type##_bits(x) & type##_bits(y);                                \
		return type##_bits(x > y ? x : y);                                             \
	}

NUM_MINMAX(f32, float, F32_NAN, 0)
NUM_MINMAX(f64, double, F64_NAN, 0)
#undef NUM_MINMAX

static inline uint32_t
rotl32(uint32_t x, uint32_t n)
{
	return x << (n & 31) | x >> (-n & 31);
}

static inline uint64_t
rotl64(uint64_t x, uint64_t n)
{
	return x << (n & 63) | x >> (-n & 63);
}

static inline uint32_t
rotr32(uint32_t x, uint32_t n)
{
	return x >> (n & 31) | x << (-n & 31);
}

static inline uint64_t
rotr64(uint64_t x, uint64_t n)
{
	return x >> (n & 63) | x << (-n & 63);
}

static inline uint32_t
clz32(uint32_t x)
{
	return x ? (uint32_t)__builtin_clz(x) : 32;
}

static inline uint32_t
ctz32(uint32_t x)
{
	return x ? (uint32_t)__builtin_ctz(x) : 32;
}

static inline uint64_t
clz64(uint64_t x)
{
	return x ? (uint64_t)__builtin_clzll(x) : 64;
}

static inline uint64_t
ctz64(uint64_t x)
{
	return x ? (uint64_t)__builtin_ctzll(x) : 64;
}

/* Truncations: whether the value truncates into the type (spec 4.3.2). The
 * bounds are exact in the source type; a NaN fails every comparison. */
#define F32_FITS_I32(x) ((x) >= -2147483648.0f && (x) < 2147483648.0f)
#define F32_FITS_U32(x) ((x) > -1.0f && (x) < 4294967296.0f)
#define F64_FITS_I32(x) ((x) > -2147483649.0 && (x) < 2147483648.0)
#define F64_FITS_U32(x) ((x) > -1.0 && (x) < 4294967296.0)
#define F32_FITS_I64(x) ((x) >= -9223372036854775808.0f && (x) < 9223372036854775808.0f)
#define F32_FITS_U64(x) ((x) > -1.0f && (x) < 18446744073709551616.0f)
#define F64_FITS_I64(x) ((x) >= -9223372036854775808.0 && (x) < 9223372036854775808.0)
#define F64_FITS_U64(x) ((x) > -1.0 && (x) < 18446744073709551616.0)

/* Saturating ones: NaN is zero, too small the least, too large the greatest. */
#define NUM_SAT(name, T, FITS, to, zext, least, most)                                          \
	static inline uint64_t name(T x)                                                       \
	{                                                                                      \
		if (FITS(x))                                                                   \
			return (zext)(to)x;                                                    \
		if (x != x)                                                                    \
			return 0;                                                              \
		return x < 0 ? (zext)(least) : (zext)(most);                                   \
	}
NUM_SAT(sat_f32_i32, float, F32_FITS_I32, int32_t, uint32_t, INT32_MIN, INT32_MAX)
NUM_SAT(sat_f32_u32, float, F32_FITS_U32, uint32_t, uint32_t, 0, UINT32_MAX)
NUM_SAT(sat_f64_i32, double, F64_FITS_I32, int32_t, uint32_t, INT32_MIN, INT32_MAX)
NUM_SAT(sat_f64_u32, double, F64_FITS_U32, uint32_t, uint32_t, 0, UINT32_MAX)
NUM_SAT(sat_f32_i64, float, F32_FITS_I64, int64_t, uint64_t, INT64_MIN, INT64_MAX)
NUM_SAT(sat_f32_u64, float, F32_FITS_U64, uint64_t, uint64_t, 0, UINT64_MAX)
NUM_SAT(sat_f64_i64, double, F64_FITS_I64, int64_t, uint64_t, INT64_MIN, INT64_MAX)
NUM_SAT(sat_f64_u64, double, F64_FITS_U64, uint64_t, uint64_t, 0, UINT64_MAX)
#undef NUM_SAT
