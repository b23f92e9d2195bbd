/* SPDX-License-Identifier: Apache-2.0 */
/* median.h - of figures that were taken by turns. */
#pragma once

#include <stdlib.h>

static inline int
median_compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Puts them in order. */
static inline double
median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof *values, median_compare);
	return values[count / 2];
}
