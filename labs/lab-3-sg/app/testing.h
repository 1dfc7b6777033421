/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of dma_sg_test share: words, memory, and a copy that is checked
 */

#ifndef _TESTING_H
#define _TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "dma_sg.h"

#define DEVICE		"/dev/dma_sg"
#define WINDOW		((size_t)DMA_SG_WINDOW)
#define KIB		((size_t)1024)
#define MIB		(1024 * KIB)
#define LINE_MIN	64	/* bytes in a cache line of every Pi that is 64 bits wide */
#define LINE_MAX	128	/* what arm64 takes it to be, where it cannot ask */
#define WORD		4	/* bytes that the engine moves at once, at least */
#define HUGE		(2 * MIB)	/* bytes in a huge page */
#define BOUNCE_MAX	(256 * KIB)	/* the longest mapping that swiotlb takes */
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* What a test returns. */
#define PASSED		0
#define FAILED		1
#define TROUBLE		3	/* the test itself could not do its work */
#define SKIPPED		4

extern size_t page;
extern int device;

/* ---- words ---- */

int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int skip(const char *reason);
void die(const char *what) __attribute__((noreturn));
const char *name_of(int error);

/* ---- random numbers, each thread its own row ---- */

void seed(__u64 number);
__u64 random64(void);
size_t below(size_t bound);
void fill(unsigned char *at, size_t len);

/* ---- memory ---- */

unsigned char *reserve(size_t len, int prot, int flags);
unsigned char *memory(size_t len);
unsigned char *scattered(size_t len);
unsigned char *huge(size_t len);
size_t torn_pages(const unsigned char *at, size_t len, size_t count);
size_t longest_mapping(void);
size_t segments_in(const unsigned char *at, size_t len);
size_t pieces_in(const unsigned char *src, const unsigned char *dst, size_t len);
__u64 flags_of(const unsigned char *at);

/* ---- the kernel's books ---- */

void count_pins(long *acquired, long *released);
long pins_held(void);

/* ---- copies ---- */

int ask(struct dma_sg_copy *copy, const void *src, void *dst, __u64 len);

/**
 * struct ends - memory at both ends, and what has to be in it
 * @src: the source's memory
 * @dst: the destination's
 * @was: what is in the source
 * @want: what has to be in the destination
 * @len: bytes in each
 */
struct ends {
	unsigned char *src;
	unsigned char *dst;
	unsigned char *was;
	unsigned char *want;
	size_t len;
};

void prepare(struct ends *e, unsigned char *src, unsigned char *dst, size_t len);
void release(struct ends *e);
int intact(const struct ends *e, size_t to, size_t len);
int moves(struct ends *e, size_t from, size_t to, size_t len, struct dma_sg_copy *copy);
int refuses(struct ends *e, const struct dma_sg_copy *asked, int error, const char *what);

/* ---- the tests, each 0 or a status from above ---- */

int whole_pages(void);
int any_alignment(void);
int several_windows(void);
int beside(void);
int beside_late(void);
int many_at_once(void);

int pins(void);
int marks_dirty(void);
int copy_on_write(void);
int files(void);
int few_segments(void);
int huge_pages(void);

int arguments(void);
int overlaps(void);
int addresses(void);
int holes(void);
int far_hole(void);
int read_only(void);
int side_by_side(void);
int no_report(void);
int page_frames(off_t physical);

int big(void);
int killed_pinning(void);
int killed_copying(void);
int timed_out_late(void);

#endif /* _TESTING_H */
