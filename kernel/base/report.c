/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/report.h"

#include <stdio.h>

void
report_clear(struct report *report)
{
	report->text[0] = '\0';
	report->offset = UINT64_MAX;
}

void
report_vsay(struct report *report, uint64_t offset, const char *format, va_list args)
{
	if (!report || report->text[0])
		return;
	report->offset = offset;
	(void)vsnprintf(report->text, sizeof report->text, format, args);
}

void
report_say(struct report *report, uint64_t offset, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report_vsay(report, offset, format, args);
	va_end(args);
}
