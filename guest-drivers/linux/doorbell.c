// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The doorbell of an ivshmem-doorbell device: the register in BAR 0 by which the server is rung,
 * and the interrupt by which the server rings for commands. A device without MSI-X (ivshmem-plain)
 * has neither, and the link's thread polls. Opened by main.c before the link runs, closed after it.
 */
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/pci.h>
#include <linux/wait.h>
#include "undercroft.h"

#define REGISTERS_BAR 0

/* There is one region, so there is one doorbell; registers is NULL while there is none. */
static struct {
	void __iomem *registers;
	struct pci_dev *device;
	u64 interrupts;
	u64 commands;
	bool rung;
} doorbell;

static DECLARE_WAIT_QUEUE_HEAD(waiting);

static irqreturn_t on_interrupt(int irq, void *data)
{
	doorbell.interrupts++;
	/* ORDER: seen by uc_doorbell_wait(), which looks at it after it is on the queue. */
	WRITE_ONCE(doorbell.rung, true);
	wake_up(&waiting);
	return IRQ_HANDLED;
}

static int open_interrupts(struct pci_dev *device)
{
	int error;

	/* An interrupt of this kind is a write of the device's own. */
	pci_set_master(device);
	error = pci_alloc_irq_vectors(device, UC_DOORBELL_VECTORS, UC_DOORBELL_VECTORS,
				      PCI_IRQ_MSIX);
	if (error < 0)
		return error;
	error = request_irq(pci_irq_vector(device, UC_DOORBELL_VECTOR_COMMAND), on_interrupt, 0,
			    KBUILD_MODNAME, &doorbell);
	if (error)
		pci_free_irq_vectors(device);
	return error;
}

static void close_interrupts(struct pci_dev *device)
{
	free_irq(pci_irq_vector(device, UC_DOORBELL_VECTOR_COMMAND), &doorbell);
	pci_free_irq_vectors(device);
}

static int open_doorbell(struct pci_dev *device)
{
	void __iomem *registers;
	int error = pci_request_region(device, REGISTERS_BAR, KBUILD_MODNAME);

	if (error)
		return error;
	registers = pci_iomap(device, REGISTERS_BAR, 0);
	/* Ids that are not those of the wire format are of another server, and its peers not ours. */
	error = !registers ? -ENOMEM :
		ioread32(registers + UC_DOORBELL_POSITION) != UC_DOORBELL_PEER_GUEST ? -ENXIO :
		open_interrupts(device);
	if (!error) {
		doorbell.registers = registers;
		doorbell.device = device;
		return 0;
	}
	if (registers)
		pci_iounmap(device, registers);
	pci_release_region(device, REGISTERS_BAR);
	return error;
}

void uc_doorbell_open(struct pci_dev *device)
{
	int error;

	memset(&doorbell, 0, sizeof(doorbell));
	if (pci_msix_vec_count(device) <= 0)
		return;
	error = open_doorbell(device);
	if (error)
		pci_warn(device, "its doorbell cannot be used, commands are polled: %d\n", error);
}

void uc_doorbell_close(void)
{
	if (!doorbell.registers)
		return;
	close_interrupts(doorbell.device);
	pci_iounmap(doorbell.device, doorbell.registers);
	pci_release_region(doorbell.device, REGISTERS_BAR);
	doorbell.registers = NULL;
}

bool uc_doorbell_is_there(void)
{
	return doorbell.registers;
}

void uc_doorbell_ring(void)
{
	uc_count(doorbell_rings);
	iowrite32(UC_DOORBELL_PEER_SERVER << 16 | UC_DOORBELL_VECTOR_DATA,
		  doorbell.registers + UC_DOORBELL_REGISTER);
}

bool uc_doorbell_wait(u32 microseconds)
{
	ktime_t patience = ns_to_ktime((u64)microseconds * NSEC_PER_USEC);

	wait_event_interruptible_hrtimeout(waiting,
					   READ_ONCE(doorbell.rung) || kthread_should_stop(),
					   patience);
	return xchg(&doorbell.rung, false);
}

void uc_doorbell_count_command(void)
{
	doorbell.commands++;
}

u64 uc_doorbell_interrupts(void)
{
	return READ_ONCE(doorbell.interrupts);
}

u64 uc_doorbell_commands(void)
{
	return READ_ONCE(doorbell.commands);
}
