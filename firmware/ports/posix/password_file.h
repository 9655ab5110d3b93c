/* A password in a file: a command line is everybody's to read. */
#ifndef MILLRACE_PASSWORD_FILE_H
#define MILLRACE_PASSWORD_FILE_H

/* The first line of the file, at most 255 bytes, until the next call. NULL: it cannot be read, or has none. */
const char *millrace_password_file(const char *path);

#endif
