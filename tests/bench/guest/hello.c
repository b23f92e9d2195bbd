/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

int
main(void)
{
	return write(1, "hello, world\n", 13) == 13 ? 0 : 1;
}
