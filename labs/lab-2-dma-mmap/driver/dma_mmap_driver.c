// SPDX-License-Identifier: GPL-2.0
/*
 * Lab 2: memory that a program and the DMA engine share
 *
 * The data path:
 *
 *	program's mapping of the source -> DMA engine -> program's mapping of
 *	the destination
 *
 * Each open file has a source and a destination in coherent memory: program,
 * kernel and engine see the same bytes at any time, and nothing is mapped or
 * unmapped for a transfer. The program asks for the copy by ioctl().
 *
 * Who owns what: the buffers belong to the open file (struct dma_mmap_file).
 * Each mapping holds a reference to the file, as each descriptor does, so
 * release() is called when the last of them is gone, and there they are freed.
 */

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/math.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "dma_mmap.h"

/* The source, and the destination behind it. */
#define DMA_MMAP_BOTH		(2 * DMA_MMAP_SIZE)

/*
 * The engine is given whole 32-bit words. It takes any length by its data sheet,
 * but QEMU's model of it (7.2) never ends on one that is no multiple of four.
 */
#define DMA_MMAP_WORD		sizeof(u32)

static unsigned int timeout_ms = 1000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "longest wait for one transfer, in ms (default 1000)");

/**
 * struct dma_mmap - the device
 * @misc: the character device, /dev/dma_mmap
 * @dev: the platform device, for messages
 * @chan: the DMA channel, held from probe to removal
 * @lock: one transfer at a time: terminating one would end all of the channel
 */
struct dma_mmap {
	struct miscdevice misc;
	struct device *dev;
	struct dma_chan *chan;
	struct mutex lock;	/* one transfer at a time */
};

/**
 * struct dma_mmap_file - an open file
 * @dmm: the device
 * @done: completed by the engine's callback
 * @buf: the source, and DMA_MMAP_SIZE bytes on the destination, for the CPU
 * @bus: the same for the engine
 */
struct dma_mmap_file {
	struct dma_mmap *dmm;
	struct completion done;
	void *buf;
	dma_addr_t bus;
};

static struct dma_mmap *to_dma_mmap(struct file *file)
{
	return container_of(file->private_data, struct dma_mmap, misc);
}

/*
 * For a message only: the kernel may have coherent memory in its vmalloc area,
 * where virt_to_phys() does not hold, and nobody needs its physical address.
 * It is not the bus address, least of all shifted to a page frame number.
 */
static void dma_mmap_tell(struct dma_mmap_file *f, const char *name, size_t offset)
{
	void *virt = f->buf + offset;
	struct page *page = is_vmalloc_addr(virt) ? vmalloc_to_page(virt) : virt_to_page(virt);
	phys_addr_t phys = page_to_phys(page);
	dma_addr_t bus = f->bus + offset;

	dev_dbg(f->dmm->dev, "%s: virtual %p, physical %pap, bus %pad, %u bytes\n",
		name, virt, &phys, &bus, DMA_MMAP_SIZE);
}

/*
 * TODO step 2, allocate: Make what belongs to one open file: a struct
 * dma_mmap_file, all of it filled in (dmm, done, buf, bus). Its memory is
 * DMA_MMAP_BOTH bytes, coherent, for the device that moves the data: f->buf is
 * its address for the CPU, f->bus the one for the engine. Return NULL when
 * there is not enough, and leave nothing allocated then.
 *
 * See kzalloc(), init_completion(), dma_alloc_coherent(),
 * dmaengine_get_dma_device().
 * Chapter: Lab 2, coherent memory.
 */
static struct dma_mmap_file *dma_mmap_alloc(struct dma_mmap *dmm)
{
	return NULL;
}

/* End of step 2, allocate. */

/* From here on, private_data is what belongs to this open file, not the device. */
static int dma_mmap_open(struct inode *inode, struct file *file)
{
	struct dma_mmap_file *f = dma_mmap_alloc(to_dma_mmap(file));

	if (!f)
		return -ENOMEM;

	dma_mmap_tell(f, "source", 0);
	dma_mmap_tell(f, "destination", DMA_MMAP_SIZE);
	file->private_data = f;
	return 0;
}

/*
 * TODO step 8, release: The kernel calls this when the last descriptor is
 * closed and the last mapping is gone, in all processes. Undo what
 * dma_mmap_alloc() did: the same device, size and addresses.
 *
 * See dma_free_coherent(), kfree().
 * Chapter: Lab 2, who may free.
 */
static int dma_mmap_release(struct inode *inode, struct file *file)
{
	return 0;
}

/* End of step 8, release. */

/*
 * TODO step 4, restrict: Return -EINVAL for a private mapping that may be
 * written, now or later: what is stored there would not come to the memory.
 * Return -EPERM for an executable one; mprotect() must not make it executable
 * later, and gets -EACCES: by an operation of the vma (vm_ops).
 *
 * See VM_MAYSHARE, VM_EXEC, struct vm_operations_struct.
 * Chapter: Lab 2, what mmap() must refuse.
 */
static int dma_mmap_restrict(struct vm_area_struct *vma)
{
	return 0;
}

/* End of step 4, restrict. */

static int dma_mmap_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dma_mmap_file *f = file->private_data;
	int ret = dma_mmap_restrict(vma);

	if (ret)
		return ret;
	/*
	 * TODO step 3, map: Show the program that part of f->buf which it asks
	 * for: vma has the addresses, and its vm_pgoff says from which page of
	 * the memory on. The DMA API does it, for the same device, buffer, bus
	 * address and size as the allocation. Return what it returns.
	 *
	 * See dma_mmap_coherent(), dmaengine_get_dma_device().
	 * Chapter: Lab 2, mmap.
	 */
	dev_dbg(f->dmm->dev, "mmap() is still to be written\n");
	return -EIO;
	/* End of step 3, map. */
}

/*
 * TODO step 6, submit: Describe the transfer of len bytes from the source to
 * the destination of this file, by the engine's addresses. The source stands
 * first in the memory. Give it a callback that completes f->done, and queue it.
 * No descriptor is -ENOMEM. Return the cookie.
 *
 * See dmaengine_prep_dma_memcpy(), DMA_PREP_INTERRUPT, reinit_completion(),
 * dmaengine_submit().
 * Chapter: Lab 2, a descriptor.
 */
static dma_cookie_t dma_mmap_submit(struct dma_mmap_file *f, size_t len)
{
	return -EIO;
}

/* End of step 6, submit. */

/*
 * TODO step 9, give up: Nobody waits for the transfer any more. Stop the
 * channel, so that the engine does not write to memory that is soon somebody
 * else's. If the transfer was complete all the same, that is a success: ask by
 * its cookie. If not, return why.
 *
 * See dmaengine_terminate_sync(), dma_async_is_tx_complete().
 * Chapter: Lab 2, when the engine does not answer.
 */
static int dma_mmap_give_up(struct dma_mmap_file *f, dma_cookie_t cookie, int why)
{
	return why;
}

/* End of step 9, give up. */

/*
 * TODO step 7, wait: Start what is queued and wait for f->done: no longer than
 * timeout_ms, and not past a signal that kills. 0 when it came; otherwise let
 * dma_mmap_give_up() decide, with -ETIMEDOUT or what the wait returned.
 *
 * See dma_async_issue_pending(), wait_for_completion_killable_timeout(),
 * msecs_to_jiffies().
 * Chapter: Lab 2, the copy.
 */
static int dma_mmap_wait(struct dma_mmap_file *f, dma_cookie_t cookie)
{
	dmaengine_terminate_sync(f->dmm->chan);
	return dma_mmap_give_up(f, cookie, -EIO);
}

/* End of step 7, wait. */

/* An engine that finds an error ends the transfer, too. The Pi's never says so. */
static bool dma_mmap_failed(struct dma_mmap_file *f, dma_cookie_t cookie)
{
	return dma_async_is_tx_complete(f->dmm->chan, cookie, NULL, NULL) == DMA_ERROR;
}

/*
 * No mapping, no sync. What the program stored before its ioctl() is in memory
 * before the engine starts: starting it is a register write, which has the
 * barrier for that (as readl() in its interrupt has the one for the way back).
 */
static int dma_mmap_transfer(struct dma_mmap_file *f, size_t len)
{
	struct device *dev = f->dmm->dev;
	dma_cookie_t cookie;
	int ret;

	cookie = dma_mmap_submit(f, len);
	ret = dma_submit_error(cookie);
	if (!ret) {
		dev_dbg(dev, "submitted %zu bytes on %s, cookie %d\n", len,
			dma_chan_name(f->dmm->chan), cookie);
		ret = dma_mmap_wait(f, cookie);
		if (!ret && dma_mmap_failed(f, cookie))
			ret = -EIO;
		dev_dbg(dev, "cookie %d ended with %d\n", cookie, ret);
	}

	if (ret && ret != -ERESTARTSYS)
		dev_err_ratelimited(dev, "copy of %zu bytes failed: %d\n", len, ret);
	return ret;
}

/*
 * TODO step 7, copy: Copy len bytes, and change no other. dma_mmap_transfer()
 * moves whole words, at least one; the CPU moves what is left, when all went
 * well. The channel is everybody's: one copy at a time, by dmm->lock, and who
 * waits for it can be killed (-ERESTARTSYS).
 *
 * See mutex_lock_killable(), round_down(), memcpy().
 * Chapter: Lab 2, the copy.
 */
static int dma_mmap_copy(struct dma_mmap_file *f, size_t len)
{
	return dma_mmap_transfer(f, round_down(len, DMA_MMAP_WORD));
}

/* End of step 7, copy. */

/*
 * TODO step 5, request: Take the request from the user, refuse what dma_mmap.h
 * says is refused, with the error that it names, and have dma_mmap_copy() do
 * the rest for this file.
 *
 * See copy_from_user(), struct dma_mmap_copy and DMA_MMAP_COPY in dma_mmap.h.
 * Chapter: Lab 2, ioctl.
 */
static long dma_mmap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	int ret = dma_mmap_copy(file->private_data, 0);

	return ret ? ret : -ENOTTY;
}

/* End of step 5, request. */

static const struct file_operations dma_mmap_fops = {
	.owner = THIS_MODULE,
	.open = dma_mmap_open,
	.release = dma_mmap_release,
	.mmap = dma_mmap_mmap,
	.unlocked_ioctl = dma_mmap_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/*
 * TODO step 1, channel: As in lab 1: ask for any channel that can copy memory,
 * put it into dmm->chan, and see to it that it is terminated and given back
 * when the device goes.
 *
 * See dma_request_chan_by_mask(), dma_release_channel(),
 * devm_add_action_or_reset().
 * Chapter: Lab 2, the driver and its device.
 */
static int dma_mmap_request_chan(struct dma_mmap *dmm)
{
	return -ENODEV;
}

/* End of step 1, channel. */

/*
 * TODO step 1, register: As in lab 1: make the character device /dev/dma_mmap,
 * with dma_mmap_fops, and see to it that it is deregistered when the device
 * goes.
 *
 * See struct miscdevice, misc_register(), misc_deregister(),
 * devm_add_action_or_reset().
 * Chapter: Lab 2, the driver and its device.
 */
static int dma_mmap_register(struct dma_mmap *dmm)
{
	dmm->misc.fops = &dma_mmap_fops;
	return -ENODEV;
}

/* End of step 1, register. */

/* The device node comes last: from then on somebody may open it. */
static int dma_mmap_probe(struct platform_device *pdev)
{
	struct dma_mmap *dmm;
	int ret;

	dmm = devm_kzalloc(&pdev->dev, sizeof(*dmm), GFP_KERNEL);
	if (!dmm)
		return -ENOMEM;

	dmm->dev = &pdev->dev;
	mutex_init(&dmm->lock);
	ret = dma_mmap_request_chan(dmm);
	if (ret)
		return ret;
	return dma_mmap_register(dmm);
}

static const struct of_device_id dma_mmap_of_match[] = {
	{ .compatible = "dma-labs,dma-mmap" },
	{ }
};
MODULE_DEVICE_TABLE(of, dma_mmap_of_match);

/*
 * An open file keeps the module, but not the device, which release() needs: so
 * unbinding through sysfs is switched off. Removing the overlay at run time has
 * the same effect and is not prevented: do not, while a file is open.
 */
static struct platform_driver dma_mmap_driver = {
	.probe = dma_mmap_probe,
	.driver = {
		.name = "dma_mmap",
		.of_match_table = dma_mmap_of_match,
		.suppress_bind_attrs = true,
	},
};
module_platform_driver(dma_mmap_driver);

MODULE_DESCRIPTION("Lab 2: mmap, ioctl and coherent memory for the DMA engine");
MODULE_LICENSE("GPL");
