/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluates expressions by recursive descent; prints each result. */
__attribute__((import_module("test"), import_name("print"))) void print(const char *at, int bytes);

static const char *at;

static int sum(void);

static int
atom(void)
{
	int value = 0;

	if (*at == '(') {
		at++;
		value = sum();
		at++;
		return value;
	}
	if (*at == '-') {
		at++;
		return -atom();
	}
	while (*at >= '0' && *at <= '9')
		value = value * 10 + *at++ - '0';
	return value;
}

static int
product(void)
{
	int value = atom();

	while (*at == '*' || *at == '/' || *at == '%') {
		const char op = *at++;
		const int right = atom();

		if (op == '*')
			value *= right;
		else if (right)
			value = op == '/' ? value / right : value % right;
	}
	return value;
}

static int
sum(void)
{
	int value = product();

	while (*at == '+' || *at == '-')
		value = *at++ == '+' ? value + product() : value - product();
	return value;
}

static int
say(int value)
{
	char text[16];
	int end = 16;
	unsigned left = value < 0 ? 0u - (unsigned)value : (unsigned)value;

	text[--end] = '\n';
	do
		text[--end] = (char)('0' + left % 10);
	while (left /= 10);
	if (value < 0)
		text[--end] = '-';
	print(text + end, 16 - end);
	return value;
}

__attribute__((export_name("run"))) int
run(void)
{
	static const char *const texts[] = {"1+2*3", "(1+2)*3-4*(5-6)", "((((7))))*((2+3)*(4+5)-1)",
		"-(3-10)*2%9", "100/7/2+100%7*(1+1)", "2*(3*(4*(5*(6*(7*(8-1))))))",
		"12*34+56*78-90*12+34*56-78*90+1*2*3*4*5*6*7*8"};
	int all = 0;

	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
			at = texts[i];
			all = all * 31 + say(sum() + round);
		}
	return all;
}
