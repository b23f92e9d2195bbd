/* SPDX-License-Identifier: Apache-2.0 */
/* Doubles in a tight loop that ends where the data says. */
#include "work.h"

enum { SIDE = 128, STEPS = 100 };

uint64_t
run(uint32_t count)
{
	uint64_t inside = 0;

	for (uint32_t round = 0; round < count; round++)
		for (uint32_t py = 0; py < SIDE; py++)
			for (uint32_t px = 0; px < SIDE; px++) {
				const double cx = px * 3.0 / SIDE - 2.2, cy = py * 2.4 / SIDE - 1.2;
				double x = 0, y = 0;
				uint32_t step;

				for (step = 0; step < STEPS && x * x + y * y < 4; step++) {
					const double t = x * x - y * y + cx;

					y = 2 * x * y + cy;
					x = t;
				}
				inside += step;
			}
	return inside;
}
