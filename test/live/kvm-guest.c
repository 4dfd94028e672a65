// SPDX-License-Identifier: Apache-2.0
// The smallest guest of KVM: writes to a port and to memory that is not there, and halts. For
// bpftrace.test.ts: kvm-guest; exits 0 when it ran, 77 when this machine cannot.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CODE_AT 0x1000u
#define CANNOT 77
#define EXITS_MAX 16

int main(void)
{
	// mov $0x3f8, %dx; out %al, (%dx); mov %al, (0x8000); hlt
	static const uint8_t code[] = { 0xba, 0xf8, 0x03, 0xee, 0xa2, 0x00, 0x80, 0xf4 };
	const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const int machine = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	uint8_t *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct kvm_userspace_memory_region region = {
		.guest_phys_addr = CODE_AT,
		.memory_size = 4096,
		.userspace_addr = (uintptr_t)memory,
	};
	const struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	int processor, exits;

	if (machine < 0 || memory == MAP_FAILED)
		return CANNOT;
	memcpy(memory, code, sizeof(code));
	processor = ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region) == 0 ?
			    ioctl(machine, KVM_CREATE_VCPU, 0) :
			    -1;
	if (processor < 0 || ioctl(processor, KVM_GET_SREGS, &sregs) != 0)
		return CANNOT;
	run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		   MAP_SHARED, processor, 0);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (run == MAP_FAILED || ioctl(processor, KVM_SET_SREGS, &sregs) != 0 ||
	    ioctl(processor, KVM_SET_REGS, &regs) != 0)
		return CANNOT;
	for (exits = 0; exits < EXITS_MAX; exits++) {
		if (ioctl(processor, KVM_RUN, 0) != 0)
			return CANNOT;
		if (run->exit_reason == KVM_EXIT_HLT)
			return 0;
	}
	return CANNOT;
}
