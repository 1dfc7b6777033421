// SPDX-License-Identifier: GPL-2.0
/*
 * One write(2), exactly as told, and what came of it.
 *
 * The kernel is asked once, with the length that was given and, if so wished,
 * with an address that does not exist: a shell can do neither. Prints what
 * write(2) returned, or the name of its error. A driver that does not come back
 * is given ten seconds, then SIGALRM ends us, if the driver can be ended.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "one_write: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

static int explain_usage(void)
{
	fprintf(stderr,
		"usage: one_write FILE LENGTH [bad] <DATA\n"
		"Writes the first LENGTH bytes of standard input to FILE with one write(2),\n"
		"or, with \"bad\", from an address where there is no memory.\n");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	char *data, *end;
	ssize_t written;
	size_t len;
	int fd;

	if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "bad")))
		return explain_usage();
	len = strtoul(argv[2], &end, 10);
	if (*end || end == argv[2] || len > INT_MAX)
		return explain_usage();

	data = calloc(1, len + 1);
	if (!data)
		return fail("memory");
	if (argc == 3 && fread(data, 1, len, stdin) != len)
		return fail("standard input is too short");
	fd = open(argv[1], O_WRONLY);
	if (fd < 0)
		return fail(argv[1]);

	alarm(10);
	/* The zero page is never mapped: address 64 lies in it. */
	written = write(fd, argc == 4 ? (void *)64 : data, len);
	if (written >= 0)
		printf("%zd\n", written);
	else if (strerrorname_np(errno))
		puts(strerrorname_np(errno));
	else
		printf("errno %d, which user space has no name for\n", errno);
	return EXIT_SUCCESS;
}
