/* ae.h: the interface of Redis' event loop, declared anew, so that ae_on_eddy.c is compiled and
 * tested where there is no Redis. Names, types and values are those of Redis' own header, with
 * which the layer compiles as well: then the structs have more fields, which it leaves alone. */
#ifndef EDDY_TESTS_AE_H
#define EDDY_TESTS_AE_H

#define AE_OK  0
#define AE_ERR (-1)

/* Of a file event. */
#define AE_NONE     0
#define AE_READABLE 1
#define AE_WRITABLE 2
#define AE_BARRIER  4 /* with AE_WRITABLE: if both are ready, the writable handler is first */

/* What to process, and how. */
#define AE_FILE_EVENTS       1
#define AE_TIME_EVENTS       2
#define AE_ALL_EVENTS        3
#define AE_DONT_WAIT         4
#define AE_CALL_BEFORE_SLEEP 8
#define AE_CALL_AFTER_SLEEP  16

#define AE_NOMORE (-1) /* what a time event returns that is not to come again */

struct aeEventLoop;

typedef void aeFileProc(struct aeEventLoop *loop, int fd, void *data, int mask);
/* Returns after how many milliseconds it is to come again, or AE_NOMORE. */
typedef int aeTimeProc(struct aeEventLoop *loop, long long id, void *data);
typedef void aeEventFinalizerProc(struct aeEventLoop *loop, void *data);
typedef void aeBeforeSleepProc(struct aeEventLoop *loop);

typedef struct aeEventLoop {
    int maxfd;   /* the highest descriptor with an event, or -1 */
    int setsize; /* descriptors are less than this */
    int stop;
    aeBeforeSleepProc *beforesleep, *aftersleep;
    int flags;
} aeEventLoop;

aeEventLoop *aeCreateEventLoop(int setsize);
void aeDeleteEventLoop(aeEventLoop *loop);
void aeStop(aeEventLoop *loop);
int aeCreateFileEvent(aeEventLoop *loop, int fd, int mask, aeFileProc *proc, void *data);
void aeDeleteFileEvent(aeEventLoop *loop, int fd, int mask);
int aeGetFileEvents(aeEventLoop *loop, int fd);
void *aeGetFileClientData(aeEventLoop *loop, int fd);
long long aeCreateTimeEvent(aeEventLoop *loop, long long milliseconds, aeTimeProc *proc, void *data,
                            aeEventFinalizerProc *finalizer);
int aeDeleteTimeEvent(aeEventLoop *loop, long long id);
int aeProcessEvents(aeEventLoop *loop, int flags);
int aeWait(int fd, int mask, long long milliseconds);
void aeMain(aeEventLoop *loop);
char *aeGetApiName(void);
void aeSetBeforeSleepProc(aeEventLoop *loop, aeBeforeSleepProc *proc);
void aeSetAfterSleepProc(aeEventLoop *loop, aeBeforeSleepProc *proc);
int aeGetSetSize(aeEventLoop *loop);
int aeResizeSetSize(aeEventLoop *loop, int setsize);
void aeSetDontWait(aeEventLoop *loop, int dont_wait);

/* Not Redis': the backend of the loops that are created from now on; NULL: the best. */
extern const char *ae_backend;

#endif
