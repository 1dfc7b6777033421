// SPDX-License-Identifier: GPL-2.0
/*
 * Makes one mistake as it loads, of a kind that the kernel can see, for the tests that
 * must see it, too: fault= chooses which. Most of them take a debug kernel.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static char *fault = "warning";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "the mistake to make");

/* What the compiler must not know at build time, for it would warn, too. */
static volatile int zero;

static void warning(void)
{
	WARN(1, "on purpose\n");
}

static void null_pointer(void)
{
	int *volatile nothing = NULL;

	*nothing = 1;
}

/* ---- memory --------------------------------------------------------------- */

static void beyond_the_end(void)
{
	char *buffer = kmalloc(24 + zero, GFP_KERNEL);

	buffer[24 + zero] = 1;
	kfree(buffer);
}

static void used_after_free(void)
{
	char *buffer = kmalloc(24, GFP_KERNEL);

	kfree(buffer);
	WRITE_ONCE(buffer[zero], 1);
}

static void freed_twice(void)
{
	char *volatile buffer = kmalloc(24, GFP_KERNEL);

	kfree(buffer);
	kfree(buffer);
}

static void beyond_the_stack(void)
{
	char buffer[24];

	OPTIMIZER_HIDE_VAR(zero);
	((volatile char *)buffer)[24 + zero] = 1;
}

static noinline void never_freed(void)
{
	char *volatile buffer = kmalloc(240, GFP_KERNEL);

	buffer[0] = 1;
	buffer = NULL;
}

/* As the DMA engine would: nothing but the page itself can tell. */
static void page_written_after_free(void)
{
	char *page;

	preempt_disable();
	page = (char *)__get_free_page(GFP_ATOMIC);
	free_page((unsigned long)page);
	asm volatile("strb %w0, [%1, #123]" : : "r" (1), "r" (page) : "memory");
	free_page(__get_free_page(GFP_ATOMIC));
	preempt_enable();
}

static void page_freed_twice(void)
{
	struct page *volatile page = alloc_page(GFP_KERNEL);

	__free_page(page);
	put_page(page);
}

static void cache_destroyed_in_use(void)
{
	struct kmem_cache *cache = kmem_cache_create("dma-labs", 240, 0, 0, NULL);

	kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_destroy(cache);
}

static void list_deleted_twice(void)
{
	LIST_HEAD(list);
	LIST_HEAD(entry);

	list_add(&entry, &list);
	list_del(&entry);
	list_del(&entry);
}

static void rings(struct timer_list *timer)
{
}

static void timer_freed(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	timer_setup(timer, rings, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

static void reference_after_last(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
}

/* ---- what C leaves undefined ------------------------------------------------ */

static void index_beyond(void)
{
	int array[4] = {};

	OPTIMIZER_HIDE_VAR(zero);
	array[(4 + zero) & 7]++;
	OPTIMIZER_HIDE_VAR(array[1]);
}

static void shift_beyond(void)
{
	OPTIMIZER_HIDE_VAR(zero);
	zero = 1 << (40 + zero);
}

/* ---- locks ------------------------------------------------------------------ */

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);

static void locks_in_both_orders(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void lock_kept(void)
{
	mutex_lock(&first);
}

static void lock_not_initialised(void)
{
	spinlock_t *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	spin_lock(lock);
	spin_unlock(lock);
	kfree(lock);
}

static void unlocked_twice(void)
{
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&first);
}

/* It may sleep, and mostly does not. */
static void sleeps_under_spinlock(void)
{
	spin_lock(&spin);
	kfree(kmalloc(24, GFP_KERNEL));
	spin_unlock(&spin);
}

static void list_without_rcu(void)
{
	int __rcu *pointer = NULL;

	rcu_dereference(pointer);
}

/* As long as it takes, at the time that the test has set. */
static void waits_for_ever(void)
{
	schedule_timeout_uninterruptible(8 * HZ);
}

/* ---- DMA -------------------------------------------------------------------- */

static struct dma_chan *channel;

static struct device *dma_device(void)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	channel = dma_request_chan_by_mask(&mask);
	return IS_ERR(channel) ? NULL : dmaengine_get_dma_device(channel);
}

static void mapping_not_checked(void)
{
	struct device *dev = dma_device();
	void *buffer = kmalloc(128, GFP_KERNEL);
	dma_addr_t bus = dma_map_single(dev, buffer, 128, DMA_TO_DEVICE);

	dma_unmap_single(dev, bus, 128, DMA_TO_DEVICE);
	kfree(buffer);
}

/* As it ought to be. */
static dma_addr_t mapped(struct device *dev, void *buffer)
{
	dma_addr_t bus = dma_map_single(dev, buffer, 128, DMA_TO_DEVICE);

	if (dma_mapping_error(dev, bus))
		pr_err("the mapping failed\n");
	return bus;
}

static void never_unmapped(void)
{
	mapped(dma_device(), (void *)__get_free_page(GFP_KERNEL));
}

static void unmapped_otherwise(void)
{
	struct device *dev = dma_device();
	void *buffer = kmalloc(128, GFP_KERNEL);

	dma_unmap_single(dev, mapped(dev, buffer), 128, DMA_FROM_DEVICE);
	kfree(buffer);
}

static void unmapped_twice(void)
{
	struct device *dev = dma_device();
	void *buffer = kmalloc(128, GFP_KERNEL);
	dma_addr_t bus = mapped(dev, buffer);

	dma_unmap_single(dev, bus, 128, DMA_TO_DEVICE);
	dma_unmap_single(dev, bus, 128, DMA_TO_DEVICE);
	kfree(buffer);
}

static void table_without_pages(void)
{
	struct scatterlist *list = kzalloc(sizeof(*list), GFP_KERNEL);

	sg_page(list + zero);
	sg_set_buf(list, (void *)0x1000, 1);
	kfree(list);
}

/* ---- two at once ------------------------------------------------------------ */

static int counts(void *count)
{
	while (!kthread_should_stop()) {
		++*(long *)count;
		cond_resched();
	}
	return 0;
}

static void counted_by_two(void)
{
	static long count;
	struct task_struct *one = kthread_run(counts, &count, "one");
	struct task_struct *other = kthread_run(counts, &count, "other");

	msleep(3000);
	kthread_stop(one);
	kthread_stop(other);
}

/* ---- which ------------------------------------------------------------------ */

#define FAULT(name) { #name, name }

static const struct {
	const char *name;
	void (*make)(void);
} faults[] = {
	FAULT(warning), FAULT(null_pointer), FAULT(beyond_the_end), FAULT(used_after_free),
	FAULT(freed_twice), FAULT(beyond_the_stack), FAULT(never_freed),
	FAULT(page_written_after_free), FAULT(page_freed_twice), FAULT(cache_destroyed_in_use),
	FAULT(list_deleted_twice), FAULT(timer_freed), FAULT(reference_after_last),
	FAULT(index_beyond), FAULT(shift_beyond), FAULT(locks_in_both_orders), FAULT(lock_kept),
	FAULT(lock_not_initialised), FAULT(unlocked_twice), FAULT(sleeps_under_spinlock),
	FAULT(list_without_rcu), FAULT(waits_for_ever), FAULT(mapping_not_checked),
	FAULT(never_unmapped), FAULT(unmapped_otherwise), FAULT(unmapped_twice),
	FAULT(table_without_pages), FAULT(counted_by_two),
};

static int __init faults_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (strcmp(fault, faults[i].name))
			continue;
		faults[i].make();
		return 0;
	}
	return -EINVAL;
}
module_init(faults_init);

static void __exit faults_exit(void)
{
	if (!IS_ERR_OR_NULL(channel))
		dma_release_channel(channel);
}
module_exit(faults_exit);

MODULE_DESCRIPTION("Mistakes on purpose");
MODULE_LICENSE("GPL");
