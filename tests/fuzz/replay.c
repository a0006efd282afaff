// SPDX-License-Identifier: BSD-2-Clause
/*
 * replay.c - feed files to a fuzz target, with any compiler: what the fuzzer
 * has found interesting, or what broke once.
 *
 *	replay FILE | DIRECTORY ...
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LARGEST	65536u

static unsigned files;

static int replay_file(const char *path)
{
	uint8_t *data = malloc(LARGEST), *exact;
	FILE *f = fopen(path, "rb");
	size_t n;

	if (data == NULL || f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		free(data);
		if (f != NULL)
			fclose(f);
		return 1;
	}
	n = fread(data, 1, LARGEST, f);
	fclose(f);
	/* As large as it is, so that sanitizers see the end. */
	exact = malloc(n == 0 ? 1 : n);
	if (exact == NULL)
		abort();
	memcpy(exact, data, n);
	free(data);
	/* It is the last line when it ends the program. */
	printf("%s\n", path);
	fflush(stdout);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	files++;
	return 0;
}

static int replay(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n, i, error = 0;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return replay_file(path);
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	for (i = 0; i < n; i++) {
		char name[4096];

		if (names[i]->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path,
			    names[i]->d_name);
			error |= replay_file(name);
		}
		free(names[i]);
	}
	free(names);
	return error;
}

int main(int argc, char **argv)
{
	int i, error = 0;

	for (i = 1; i < argc; i++)
		error |= replay(argv[i]);
	printf("%u files\n", files);
	return error != 0 || files == 0;
}
