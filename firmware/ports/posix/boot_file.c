#define _GNU_SOURCE
#include "boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_directories(const char *path) {
  char directory[PATH_MAX];
  if (strlen(path) >= sizeof directory) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(directory, path);
  for (char *slash = strchr(directory + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(directory, 0777) != 0 && errno != EEXIST) return -1;
    *slash = '/';
  }
  return 0;
}

/* The boot number in an open file. OK; CORRUPT. */
static enum millrace_status read_boot(FILE *file, int32_t *boot) {
  char text[32];
  char *end;
  long value;
  if (fgets(text, sizeof text, file) == NULL) return MILLRACE_CORRUPT;
  value = strtol(text, &end, 10);
  if (end == text || (*end != '\n' && *end != '\0') || value < 0 || value >= INT32_MAX) return MILLRACE_CORRUPT;
  *boot = (int32_t)value;
  return MILLRACE_OK;
}

/* Written beside and renamed, so that a crash leaves the old number or the new one. */
static enum millrace_status write_boot(const char *path, int32_t boot) {
  char temporary[PATH_MAX];
  char text[16];
  int length = snprintf(text, sizeof text, "%d\n", boot);
  int file;
  if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary) return MILLRACE_BROKEN;
  file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (file < 0) return MILLRACE_BROKEN;
  if (write(file, text, (size_t)length) != length || fsync(file) != 0) {
    close(file);
    return MILLRACE_BROKEN;
  }
  if (close(file) != 0 || rename(temporary, path) != 0) return MILLRACE_BROKEN;
  return MILLRACE_OK;
}

enum millrace_status millrace_boot_file_next(const char *path, int32_t *boot) {
  FILE *file = fopen(path, "r");
  if (file != NULL) {
    enum millrace_status status = read_boot(file, boot);
    fclose(file);
    if (status != MILLRACE_OK) return status;
    (*boot)++;
  } else {
    uint32_t random;
    if (errno != ENOENT || make_directories(path) != 0) return MILLRACE_BROKEN;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) return MILLRACE_BROKEN;
    *boot = (int32_t)(random >> 2);
  }
  return write_boot(path, *boot);
}
