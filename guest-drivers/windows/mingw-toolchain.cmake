# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The cross compiler of Debian's gcc-mingw-w64-x86-64, for CMakeLists.txt beside this file.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc)
set(CMAKE_DLLTOOL x86_64-w64-mingw32-dlltool)
# A driver links no C library, which CMake's trial program would want.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
