/* SPDX-License-Identifier: Apache-2.0 */
/* Doubles: five bodies pull at one another. */
#include "work.h"

enum { BODIES = 5 };

struct body {
	double x, y, z, vx, vy, vz, mass;
};

static const struct body start[BODIES] = {
	{0, 0, 0, 0, 0, 0, 39.47},
	{4.84, -1.16, -0.10, 0.61, 2.81, -0.02, 0.0377},
	{8.34, 4.12, -0.4, -1.01, 1.82, 0.008, 0.0113},
	{12.89, -15.11, -0.22, 1.08, 0.87, -0.01, 0.0017},
	{15.38, -25.92, 0.18, 0.98, 0.59, -0.03, 0.002},
};
static struct body bodies[BODIES];

static void __attribute__((noinline))
advance(double dt)
{
	for (int i = 0; i < BODIES; i++) {
		struct body *a = &bodies[i];

		for (int j = i + 1; j < BODIES; j++) {
			struct body *b = &bodies[j];
			const double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
			const double square = dx * dx + dy * dy + dz * dz;
			const double pull = dt / (square * __builtin_sqrt(square));

			a->vx -= dx * b->mass * pull, b->vx += dx * a->mass * pull;
			a->vy -= dy * b->mass * pull, b->vy += dy * a->mass * pull;
			a->vz -= dz * b->mass * pull, b->vz += dz * a->mass * pull;
		}
	}
	for (int i = 0; i < BODIES; i++) {
		bodies[i].x += dt * bodies[i].vx;
		bodies[i].y += dt * bodies[i].vy;
		bodies[i].z += dt * bodies[i].vz;
	}
}

uint64_t
run(uint32_t count)
{
	double sum = 0;

	for (int i = 0; i < BODIES; i++)
		bodies[i] = start[i];
	for (uint32_t i = 0; i < count; i++)
		advance(0.001);
	for (int i = 0; i < BODIES; i++)
		sum += bodies[i].x * bodies[i].x + bodies[i].vy;
	return (uint64_t)(int64_t)(sum * 1e6);
}
