/* SPDX-License-Identifier: Apache-2.0 */
/* fits.h - sums that may wrap, checked. Each returns true when the true result
 * fits, and only then writes it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Does [at, at + bytes) lie inside [0, limit)? Never wraps. */
static inline bool
span_fits(uint64_t at, uint64_t bytes, uint64_t limit)
{
	return at <= limit && bytes <= limit - at;
}

static inline bool
add_fits(uint64_t *ret_sum, uint64_t a, uint64_t b)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*ret_sum = sum;
	return true;
}

static inline bool
mul_fits(uint64_t *ret_product, uint64_t a, uint64_t b)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*ret_product = product;
	return true;
}

/* a + b, or the largest number: gas and byte counts saturate, they never wrap. */
static inline uint64_t
add_saturating(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t
mul_saturating(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* n rounded up to a multiple of a power of two; the caller knows it fits. */
static inline uint64_t
round_up(uint64_t n, uint64_t power_of_two)
{
	return (n + power_of_two - 1) & ~(power_of_two - 1);
}
