/* file_directory.h: where paths begin, in the system's words. */
#ifndef EDDY_PLATFORM_FILE_DIRECTORY_H
#define EDDY_PLATFORM_FILE_DIRECTORY_H

#include <eddy/file.h>

#include <fcntl.h>

/* The system's own word for the working directory is no descriptor here. */
static inline int file_directory(int dir) {
    if (dir == EDDY_CWD) return AT_FDCWD;
    return dir < 0 ? -1 : dir;
}

#endif
