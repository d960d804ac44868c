/* ioctl.h: the type of ioctl's second argument, for requests of Linux with the highest bit set. */
#ifndef EDDY_PLATFORM_IOCTL_H
#define EDDY_PLATFORM_IOCTL_H

#include <sys/ioctl.h>

#ifdef __GLIBC__
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request; /* musl and bionic */
#endif

#endif
