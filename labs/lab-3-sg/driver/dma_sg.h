/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Lab 3: what /dev/dma_sg understands, for the driver and for programs
 */

#ifndef _DMA_SG_H
#define _DMA_SG_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * A copy goes window by window. One ends where the address in the destination is
 * a multiple of this, and no more than this, and a page, is pinned at each end at a
 * time. (It is halved where the machine has too little room for bounce buffers.)
 */
#define DMA_SG_WINDOW		(2 * 1024 * 1024)

/**
 * struct dma_sg_copy - what DMA_SG_COPY is asked, and what it says
 * @src: user address to copy from, any alignment
 * @dst: user address to copy to, any alignment
 * @len: bytes to copy, 1 or more
 * @flags: none yet, must be 0
 * @copied: set by the driver: bytes that were copied, from the start; @len on
 *	success
 * @pages: set by the driver: pages that were pinned for @copied, at both ends
 * @segments: set by the driver: segments the engine saw them as, at both ends:
 *	pages that lie one behind the other in memory are one
 * @descriptors: set by the driver: transfers made for @copied, one a piece that is
 *	contiguous at both ends
 * @cpu_bytes: set by the driver: bytes of @copied that the CPU copied: the cache
 *	lines which are only in part the destination's, and words that a page boundary
 *	cuts
 */
struct dma_sg_copy {
	__u64 src;
	__u64 dst;
	__u64 len;
	__u64 flags;
	__u64 copied;
	__u64 pages;
	__u64 segments;
	__u64 descriptors;
	__u64 cpu_bytes;
};

/*
 * DMA_SG_COPY - copies user memory to user memory by DMA, and returns when that
 * is done. No byte outside the destination changes. Returns 0, or -1 with errno,
 * and tells in either case in @copied how far it came
 *
 *	EFAULT		the structure, a page of the source or a page of the
 *			destination is not there, may not be accessed so, or is no
 *			memory that can be pinned (a mapping of /dev/dma_mmap is
 *			not); or a range runs over the end of the address space
 *	EINVAL		@len is 0, @flags is not, or the addresses of the two ranges
 *			overlap (that they are the same memory, mapped twice, is not
 *			noticed)
 *	EIO, ENOMEM	no memory to describe the transfer, or to map it
 *	EREMOTEIO	the engine ended with an error
 *	ETIMEDOUT	the engine did not end in time (module parameter timeout_ms)
 *
 * Nothing is written behind @copied, unless it is for EREMOTEIO, ETIMEDOUT or a
 * signal that kills: then a part of one window may be. A command that is not listed
 * here fails with ENOTTY.
 */
#define DMA_SG_COPY		_IOWR(0xD9, 2, struct dma_sg_copy)

#endif /* _DMA_SG_H */
