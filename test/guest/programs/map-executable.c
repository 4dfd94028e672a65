// SPDX-License-Identifier: Apache-2.0
// Maps a file so that it could be executed, as a loader does with a library: map-executable PATH.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	int file = count == 2 ? open(arguments[1], O_RDONLY) : -1;

	if (file < 0)
		return 1;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED;
}
