/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Lab 2: what /dev/dma_mmap understands, for the driver and for programs
 *
 * Each open file has a source and a destination of its own, both zeroed at
 * open(). They live until the last descriptor and the last mapping are gone.
 *
 * mmap() shows both, one behind the other:
 *
 *	offset 0		the source, DMA_MMAP_SIZE bytes
 *	offset DMA_MMAP_SIZE	the destination, DMA_MMAP_SIZE bytes
 *
 * Any range of whole pages in that may be mapped, MAP_SHARED. It fails with
 *
 *	ENXIO	beyond the end of the destination
 *	EINVAL	off a page boundary, or private
 *	EPERM	executable (EACCES when mprotect() asks for it later)
 *	EACCES	by a file that was not opened to read, or to write, as it asks
 */

#ifndef _DMA_MMAP_H
#define _DMA_MMAP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Bytes in the source, and in the destination: whole pages of any size (4 to 64 KiB). */
#define DMA_MMAP_SIZE		65536

/**
 * struct dma_mmap_copy - what DMA_MMAP_COPY is asked
 * @len: bytes to copy, from the start of the source to the start of the
 *	destination: 1 to DMA_MMAP_SIZE
 * @flags: none yet, must be 0
 */
struct dma_mmap_copy {
	__u32 len;
	__u32 flags;
};

/*
 * DMA_MMAP_COPY - copies from this file's source to its destination, and returns
 * when that is done. No other byte of the destination changes. Returns 0, or -1
 * with errno
 *
 *	EFAULT		the structure cannot be read
 *	EINVAL		@len or @flags is out of range
 *	ENOMEM		no memory to describe the transfer
 *	EIO		the engine ended with an error, or
 *	ETIMEDOUT	not in time (module parameter timeout_ms):
 *			what stands in the first @len bytes of the destination is not said
 *
 * A command that is not listed here fails with ENOTTY.
 */
#define DMA_MMAP_COPY		_IOW(0xD9, 1, struct dma_mmap_copy)

#endif /* _DMA_MMAP_H */
