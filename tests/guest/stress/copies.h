/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A copy by one of the labs' drivers, and whether it came out right
 */

#ifndef _COPIES_H
#define _COPIES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* The least that tells whose bytes they are; with the second, lab 3's engine has work. */
#define LEAST		16
#define LEAST_WORK	1024

enum device { M2M, MMAP, SG };

/**
 * struct client - somebody with an open file, and memory to copy from and to
 * @fd: the file
 * @src: @room bytes
 * @dst: the same; not lab 1's own, but what it read there
 * @room: how many
 * @from: where the copy begins in the source
 * @to: where it begins in the destination
 * @len: its length
 * @seed: what its bytes are made from
 * @descriptors: what the engine had to do for it, of one that succeeded
 * @copied: of one that failed, what lab 3 says was copied
 */
struct client {
	int fd;
	unsigned char *src;
	unsigned char *dst;
	size_t room;
	size_t from;
	size_t to;
	size_t len;
	__u64 seed;
	unsigned int descriptors;
	size_t copied;
};

extern enum device device;
extern __thread unsigned int thread_number;
extern __thread unsigned int operation;

/* What goes wrong is told with the thread and the operation, and ends the program. */
void wrong(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

__u64 draw(__u64 *state, __u64 below);
unsigned long number(const char *word, unsigned long least);

void choose_device(const char *name);
const char *module_of_device(void);
int open_device(void);
void open_client(struct client *c);
void close_client(struct client *c, bool file_first);

/* A copy is chosen, then asked for (0 or an errno), then looked at. */
void choose(struct client *c, __u64 *state, size_t least);
int ask(struct client *c, int fd);
void look_at(const struct client *c, bool alone);
void look_at_nothing(const struct client *c);

void fill(unsigned char *p, size_t len, __u64 seed);
void check(const unsigned char *p, size_t first, size_t len, __u64 seed);

#endif /* _COPIES_H */
