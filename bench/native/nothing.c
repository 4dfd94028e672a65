// SPDX-License-Identifier: Apache-2.0
// The smallest program: it ends. Run by guest-cost.c, so that an exec costs what the kernel does
// and nothing of a C library's start. Built with -nostdlib.
void _start(void);

void _start(void)
{
	__asm__ volatile("movl $60, %eax\n\txorl %edi, %edi\n\tsyscall");
	__builtin_unreachable();
}
