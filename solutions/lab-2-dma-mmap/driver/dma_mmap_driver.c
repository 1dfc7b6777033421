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
 * Step 2, allocate: coherent memory is allocated for the device that moves the
 * data, the channel's, and comes zeroed and in whole pages: a program that maps it
 * sees nobody else's data.
 */
static struct dma_mmap_file *dma_mmap_alloc(struct dma_mmap *dmm)
{
	struct dma_mmap_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;

	f->dmm = dmm;
	init_completion(&f->done);
	f->buf = dma_alloc_coherent(dmaengine_get_dma_device(dmm->chan),
				    DMA_MMAP_BOTH, &f->bus, GFP_KERNEL);
	if (!f->buf) {
		kfree(f);
		return NULL;
	}
	return f;
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

/* Step 8, release: no descriptor, no mapping and no ioctl() is left. */
static int dma_mmap_release(struct inode *inode, struct file *file)
{
	struct dma_mmap_file *f = file->private_data;

	dma_free_coherent(dmaengine_get_dma_device(f->dmm->chan),
			  DMA_MMAP_BOTH, f->buf, f->bus);
	kfree(f);
	return 0;
}

/* End of step 8, release. */

/* Step 4, restrict: what mmap() refuses, mprotect() does not give either. */
static int dma_mmap_mprotect(struct vm_area_struct *vma, unsigned long start,
			     unsigned long end, unsigned long newflags)
{
	return newflags & VM_EXEC ? -EACCES : 0;
}

static const struct vm_operations_struct dma_mmap_vm_ops = {
	.mprotect = dma_mmap_mprotect,
};

/* A store into a private mapping would go to a copy of the page. */
static int dma_mmap_restrict(struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;

	vma->vm_ops = &dma_mmap_vm_ops;
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
	 * Step 3, map: the DMA API knows which pages these are and how the CPU must
	 * see them: not through its caches, on a machine where the engine does not
	 * look there. It also sees to it that the range (vm_pgoff, and the length)
	 * lies in the buffer, and that the mapping does not grow later.
	 */
	return dma_mmap_coherent(dmaengine_get_dma_device(f->dmm->chan), vma,
				 f->buf, f->bus, DMA_MMAP_BOTH);
	/* End of step 3, map. */
}

/* Step 6, submit: the callback first. It runs in a tasklet: it must not sleep. */
static void dma_mmap_callback(void *data)
{
	struct dma_mmap_file *f = data;

	complete(&f->done);
}

/*
 * Describe the transfer and queue it. From dmaengine_submit() on the
 * descriptor belongs to the engine; the cookie, or a negative errno, is what we
 * keep. Nothing moves yet.
 */
static dma_cookie_t dma_mmap_submit(struct dma_mmap_file *f, size_t len)
{
	struct dma_async_tx_descriptor *desc;

	desc = dmaengine_prep_dma_memcpy(f->dmm->chan, f->bus + DMA_MMAP_SIZE, f->bus,
					 len, DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!desc)
		return -ENOMEM;

	desc->callback = dma_mmap_callback;
	desc->callback_param = f;
	reinit_completion(&f->done);
	return dmaengine_submit(desc);
}

/* End of step 6, submit. */

/*
 * Step 9, give up: the wait ended early, and the engine may still be writing, and
 * call back. So the channel is stopped before anybody frees the memory. The transfer
 * may also have ended just then: the cookie has the last word.
 */
static int dma_mmap_give_up(struct dma_mmap_file *f, dma_cookie_t cookie, int why)
{
	struct dma_chan *chan = f->dmm->chan;

	dmaengine_terminate_sync(chan);
	if (dma_async_is_tx_complete(chan, cookie, NULL, NULL) == DMA_COMPLETE)
		return 0;
	return why;
}

/* End of step 9, give up. */

/*
 * Step 7, wait: start what is queued and wait for it, no longer than timeout_ms,
 * and not past a fatal signal.
 */
static int dma_mmap_wait(struct dma_mmap_file *f, dma_cookie_t cookie)
{
	long left;

	dma_async_issue_pending(f->dmm->chan);
	left = wait_for_completion_killable_timeout(&f->done,
						    msecs_to_jiffies(timeout_ms));
	if (left > 0)
		return 0;
	return dma_mmap_give_up(f, cookie, left ? left : -ETIMEDOUT);
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
 * Step 7, copy: the engine moves the words; the CPU the one to three bytes behind
 * the last.
 */
static int dma_mmap_copy(struct dma_mmap_file *f, size_t len)
{
	size_t words = round_down(len, DMA_MMAP_WORD);
	int ret = 0;

	if (mutex_lock_killable(&f->dmm->lock))
		return -ERESTARTSYS;
	if (words)
		ret = dma_mmap_transfer(f, words);
	if (!ret)
		memcpy(f->buf + DMA_MMAP_SIZE + words, f->buf + words, len - words);
	mutex_unlock(&f->dmm->lock);
	return ret;
}

/* End of step 7, copy. */

/* Step 5, request: what cannot be done is refused before anything is done. */
static long dma_mmap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dma_mmap_copy copy;

	if (cmd != DMA_MMAP_COPY)
		return -ENOTTY;
	if (copy_from_user(&copy, (void __user *)arg, sizeof(copy)))
		return -EFAULT;
	if (!copy.len || copy.len > DMA_MMAP_SIZE || copy.flags)
		return -EINVAL;

	return dma_mmap_copy(file->private_data, copy.len);
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
 * Step 1, channel: first, how it is given back.
 *
 * Each wait has ended its transfer, but the last callback may still be running:
 * the channel is terminated and synchronised before it is given back.
 */
static void dma_mmap_release_chan(void *data)
{
	struct dma_chan *chan = data;

	dmaengine_terminate_sync(chan);
	dma_release_channel(chan);
}

/* Any channel will do that can copy memory. */
static int dma_mmap_request_chan(struct dma_mmap *dmm)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	dmm->chan = dma_request_chan_by_mask(&mask);
	if (IS_ERR(dmm->chan))
		return dev_err_probe(dmm->dev, PTR_ERR(dmm->chan), "no DMA channel\n");

	return devm_add_action_or_reset(dmm->dev, dma_mmap_release_chan, dmm->chan);
}

/* End of step 1, channel. */

/* Step 1, register: a misc device, and how it goes again. */
static void dma_mmap_deregister(void *data)
{
	misc_deregister(data);
}

static int dma_mmap_register(struct dma_mmap *dmm)
{
	int ret;

	dmm->misc.minor = MISC_DYNAMIC_MINOR;
	dmm->misc.name = "dma_mmap";
	dmm->misc.fops = &dma_mmap_fops;
	dmm->misc.parent = dmm->dev;
	ret = misc_register(&dmm->misc);
	if (ret)
		return dev_err_probe(dmm->dev, ret, "no misc device\n");

	return devm_add_action_or_reset(dmm->dev, dma_mmap_deregister, &dmm->misc);
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
