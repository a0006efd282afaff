/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmmstat - show the counters of vmmctl machines.  It knows the format of
 * their pages and the name of no counter.
 */
#include "follow.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct options options;
	struct output output;
	/* A command's own output stays apart from what is said about it. */
	FILE *file;
	int code;

	options_parse(&options, argc, argv);
	file = options.command != NULL ? stderr : stdout;
	if (options.output != NULL) {
		file = fopen(options.output, "we");
		if (file == NULL)
			err(EXIT_SYSTEM, "%s", options.output);
	}
	output_init(&output, file, &options);
	if (options.command != NULL)
		code = follow_command(&options, &output);
	else
		code = follow(&options, &output);
	if (fflush(file) == EOF || ferror(file))
		err(EXIT_SYSTEM, "output");
	if (options.output != NULL && fclose(file) == EOF)
		err(EXIT_SYSTEM, "%s", options.output);
	output_fini(&output);
	options_fini(&options);
	return code;
}
