/* Outcome of every call in the library. Each function lists the values that it returns. */
#ifndef MILLRACE_STATUS_H
#define MILLRACE_STATUS_H

enum millrace_status {
  MILLRACE_OK = 0,
  MILLRACE_AGAIN,        /* not now: nothing was done, the same call may succeed later */
  MILLRACE_FULL,         /* no room: nothing was taken */
  MILLRACE_EMPTY,        /* nothing there */
  MILLRACE_REPEAT,       /* a second value for the same moment: nothing was taken */
  MILLRACE_EXHAUSTED,    /* frame numbers of this boot are used up: take the next boot number */
  MILLRACE_BAD_ARGUMENT, /* the caller's mistake: nothing was done */
  MILLRACE_BAD_VALUE,    /* a code that the firmware's schema does not know: nothing was taken */
  MILLRACE_CORRUPT,      /* bytes that are not what they claim to be */
  MILLRACE_BROKEN        /* the port failed: the connection or the memory behind it is unusable */
};

#endif
