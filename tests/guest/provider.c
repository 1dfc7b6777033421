// SPDX-License-Identifier: GPL-2.0
/*
 * A DMA provider that fails when it is told to: one channel, which copies memory, by the
 * CPU. What the kernel can fail by itself (see nth.c) are allocations. A submission that is
 * refused, a transfer that ends with an error, a channel that is taken need a provider; and
 * bcm2835-dma, whose channels the labs have otherwise, says of none of its transfers that it
 * failed. With that driver unbound this one is the only one, and who wants a channel that
 * copies memory gets its.
 *
 * As KASAN watches the CPU, it sees an engine that writes to memory which is no longer
 * there. Bus addresses are physical ones here: this device is no part of the soc.
 */

#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define ROOM_MAX	4096	/* pages */

static bool taken;
module_param(taken, bool, 0644);
MODULE_PARM_DESC(taken, "the channel is somebody else's");

static uint prepare;
module_param(prepare, uint, 0644);
MODULE_PARM_DESC(prepare, "which descriptor from now on is not prepared, or 0");

static uint submit;
module_param(submit, uint, 0644);
MODULE_PARM_DESC(submit, "which submission from now on is refused, with EBUSY, or 0");

static uint transfer;
module_param(transfer, uint, 0644);
MODULE_PARM_DESC(transfer, "which transfer from now on ends with an error, or 0");

static uint queued;
module_param(queued, uint, 0444);
MODULE_PARM_DESC(queued, "transfers that have not ended, nor been terminated");

struct transfer {
	struct dma_async_tx_descriptor tx;
	struct list_head node;
	dma_addr_t dst;
	dma_addr_t src;
	size_t len;
};

/* @wrong: the cookie of the last transfer that ended with an error */
struct provider {
	struct dma_device dma;
	struct dma_chan chan;
	struct tasklet_struct tasklet;
	spinlock_t lock;	/* the lists, and queued */
	struct list_head submitted;
	struct list_head issued;
	dma_cookie_t wrong;
};

static struct platform_device *device, *roomy;

/* What @n counts down to is due. */
static bool due(uint *n)
{
	return *n && !--*n;
}

static struct provider *to_provider(struct dma_chan *chan)
{
	return container_of(chan, struct provider, chan);
}

/* ---- the channel ---------------------------------------------------------- */

static int provider_alloc_chan_resources(struct dma_chan *chan)
{
	return taken ? -EBUSY : 0;
}

static int provider_terminate_all(struct dma_chan *chan)
{
	struct provider *p = to_provider(chan);
	struct transfer *t, *next;
	LIST_HEAD(ended);

	spin_lock_irq(&p->lock);
	list_splice_init(&p->submitted, &ended);
	list_splice_tail_init(&p->issued, &ended);
	queued = 0;
	spin_unlock_irq(&p->lock);
	list_for_each_entry_safe(t, next, &ended, node)
		kfree(t);
	return 0;
}

static void provider_synchronize(struct dma_chan *chan)
{
	tasklet_kill(&to_provider(chan)->tasklet);
}

static void provider_free_chan_resources(struct dma_chan *chan)
{
	struct provider *p = to_provider(chan);

	WARN(!list_empty(&p->submitted) || !list_empty(&p->issued),
	     "the channel comes back with work to do\n");
	provider_terminate_all(chan);
	provider_synchronize(chan);
}

/* ---- transfers ------------------------------------------------------------ */

static dma_cookie_t provider_submit(struct dma_async_tx_descriptor *tx)
{
	struct provider *p = to_provider(tx->chan);
	struct transfer *t = container_of(tx, struct transfer, tx);

	if (due(&submit)) {
		kfree(t);
		return -EBUSY;
	}
	spin_lock_irq(&p->lock);
	tx->cookie = max(tx->chan->cookie + 1, DMA_MIN_COOKIE);
	tx->chan->cookie = tx->cookie;
	list_add_tail(&t->node, &p->submitted);
	queued++;
	spin_unlock_irq(&p->lock);
	return tx->cookie;
}

static struct dma_async_tx_descriptor *
provider_prep_dma_memcpy(struct dma_chan *chan, dma_addr_t dst, dma_addr_t src,
			 size_t len, unsigned long flags)
{
	struct transfer *t;

	if (due(&prepare))
		return NULL;
	t = kzalloc(sizeof(*t), GFP_NOWAIT);
	if (!t)
		return NULL;

	dma_async_tx_descriptor_init(&t->tx, chan);
	t->tx.tx_submit = provider_submit;
	t->tx.flags = flags;
	t->dst = dst;
	t->src = src;
	t->len = len;
	return &t->tx;
}

static void provider_issue_pending(struct dma_chan *chan)
{
	struct provider *p = to_provider(chan);

	spin_lock_irq(&p->lock);
	list_splice_tail_init(&p->submitted, &p->issued);
	spin_unlock_irq(&p->lock);
	tasklet_schedule(&p->tasklet);
}

static void provider_call_back(struct dma_async_tx_descriptor *tx, bool failed)
{
	struct dmaengine_result result = {
		.result = failed ? DMA_TRANS_WRITE_FAILED : DMA_TRANS_NOERROR,
	};

	if (!(tx->flags & DMA_PREP_INTERRUPT))
		return;
	if (tx->callback_result)
		tx->callback_result(tx->callback_param, &result);
	else if (tx->callback)
		tx->callback(tx->callback_param);
}

static void provider_transfer(struct provider *p, struct transfer *t)
{
	bool failed = due(&transfer);

	if (failed)
		p->wrong = t->tx.cookie;
	else
		memcpy(phys_to_virt(t->dst), phys_to_virt(t->src), t->len);
	p->chan.completed_cookie = t->tx.cookie;
	provider_call_back(&t->tx, failed);
	kfree(t);
}

static struct transfer *provider_next(struct provider *p)
{
	struct transfer *t;

	spin_lock_irq(&p->lock);
	t = list_first_entry_or_null(&p->issued, struct transfer, node);
	if (t) {
		list_del(&t->node);
		queued--;
	}
	spin_unlock_irq(&p->lock);
	return t;
}

static void provider_run(struct tasklet_struct *tasklet)
{
	struct provider *p = from_tasklet(p, tasklet, tasklet);
	struct transfer *t;

	while ((t = provider_next(p)))
		provider_transfer(p, t);
}

static enum dma_status provider_tx_status(struct dma_chan *chan, dma_cookie_t cookie,
					  struct dma_tx_state *state)
{
	dma_cookie_t last = chan->completed_cookie;

	if (cookie == to_provider(chan)->wrong)
		return DMA_ERROR;
	return dma_async_is_complete(cookie, last, chan->cookie);
}

/* ---- bounce buffers ------------------------------------------------------- */

/* Of a device of their own: so it is seen which mappings are a lab's. */
static struct page *page;
static dma_addr_t held[ROOM_MAX];
static uint n_held;

static void give_back(uint pages)
{
	for (; pages && n_held; pages--)
		dma_unmap_page(&roomy->dev, held[--n_held], PAGE_SIZE, DMA_TO_DEVICE);
}

/* Where each mapping is bounced (swiotlb=...,force), it fails when there is no room. */
static int take_all(void)
{
	dma_addr_t bus;

	while (n_held < ROOM_MAX) {
		bus = dma_map_page_attrs(&roomy->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE,
					 DMA_ATTR_NO_WARN);
		if (dma_mapping_error(&roomy->dev, bus))
			return 0;
		held[n_held++] = bus;
	}
	give_back(n_held);
	return -EOPNOTSUPP;
}

static int set_room(const char *value, const struct kernel_param *param)
{
	int pages, ret = kstrtoint(value, 0, &pages);

	if (ret)
		return ret;
	give_back(n_held);
	if (pages < 0)
		return 0;
	ret = take_all();
	if (!ret)
		give_back(pages);
	return ret;
}

static const struct kernel_param_ops room_ops = { .set = set_room };
module_param_cb(room, &room_ops, NULL, 0200);
MODULE_PARM_DESC(room, "pages of bounce buffers that are left to others; -1 for all");

/* ---- the device ----------------------------------------------------------- */

static void provider_describe(struct dma_device *dma, struct device *dev)
{
	dma->dev = dev;
	INIT_LIST_HEAD(&dma->channels);
	dma_cap_set(DMA_MEMCPY, dma->cap_mask);
	dma_cap_set(DMA_PRIVATE, dma->cap_mask);
	dma->device_alloc_chan_resources = provider_alloc_chan_resources;
	dma->device_free_chan_resources = provider_free_chan_resources;
	dma->device_prep_dma_memcpy = provider_prep_dma_memcpy;
	dma->device_issue_pending = provider_issue_pending;
	dma->device_tx_status = provider_tx_status;
	dma->device_terminate_all = provider_terminate_all;
	dma->device_synchronize = provider_synchronize;
}

static int provider_probe(struct platform_device *pdev)
{
	struct provider *p = devm_kzalloc(&pdev->dev, sizeof(*p), GFP_KERNEL);
	int ret;

	if (!p)
		return -ENOMEM;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;

	spin_lock_init(&p->lock);
	INIT_LIST_HEAD(&p->submitted);
	INIT_LIST_HEAD(&p->issued);
	tasklet_setup(&p->tasklet, provider_run);
	provider_describe(&p->dma, &pdev->dev);
	p->chan.device = &p->dma;
	p->chan.cookie = DMA_MIN_COOKIE;
	p->chan.completed_cookie = DMA_MIN_COOKIE;
	list_add_tail(&p->chan.device_node, &p->dma.channels);
	return dmaenginem_async_device_register(&p->dma);
}

static struct platform_driver provider_driver = {
	.probe = provider_probe,
	.driver = { .name = "dma-labs-provider" },
};

static struct platform_device *new_device(const char *name)
{
	return platform_device_register_simple(name, PLATFORM_DEVID_NONE, NULL, 0);
}

static int __init provider_init(void)
{
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	roomy = new_device("dma-labs-room");
	if (IS_ERR(roomy))
		goto free_page;
	device = new_device("dma-labs-provider");
	if (IS_ERR(device))
		goto unregister_roomy;
	if (!platform_driver_register(&provider_driver))
		return 0;

	platform_device_unregister(device);
unregister_roomy:
	platform_device_unregister(roomy);
free_page:
	__free_page(page);
	return -ENOMEM;
}
module_init(provider_init);

static void __exit provider_exit(void)
{
	give_back(n_held);
	platform_driver_unregister(&provider_driver);
	platform_device_unregister(device);
	platform_device_unregister(roomy);
	__free_page(page);
}
module_exit(provider_exit);

MODULE_DESCRIPTION("A DMA provider that fails when it is told to");
MODULE_LICENSE("GPL");
