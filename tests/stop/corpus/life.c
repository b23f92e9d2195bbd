/* SPDX-License-Identifier: Apache-2.0 */
/* Conway's game of life on a torus; prints the board at the end. */
__attribute__((import_module("test"), import_name("print"))) void print(const char *at, int bytes);

enum { W = 12, H = 10 };

static unsigned char board[2][H][W];

static int
neighbours(int which, int y, int x)
{
	int count = 0;

	for (int dy = H - 1; dy <= H + 1; dy++)
		for (int dx = W - 1; dx <= W + 1; dx++)
			count += board[which][(y + dy) % H][(x + dx) % W];
	return count - board[which][y][x];
}

static void
turn(int from)
{
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			const int n = neighbours(from, y, x);

			board[!from][y][x] = n == 3 || (n == 2 && board[from][y][x]);
		}
}

__attribute__((export_name("run"))) int
run(void)
{
	char line[W + 1];
	int alive = 0;

	board[0][1][2] = board[0][2][3] = board[0][3][1] = board[0][3][2] = board[0][3][3] = 1;
	board[0][6][6] = board[0][6][7] = board[0][6][8] = 1;
	for (int i = 0; i < 4; i++)
		turn(i & 1);
	for (int y = 0; y < H; y++) {
		for (int x = 0; x < W; x++) {
			alive += board[0][y][x];
			line[x] = board[0][y][x] ? '#' : '.';
		}
		line[W] = '\n';
		print(line, W + 1);
	}
	return alive;
}
