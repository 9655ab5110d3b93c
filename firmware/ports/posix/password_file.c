#include "password_file.h"

#include <stdio.h>
#include <string.h>

const char *millrace_password_file(const char *path) {
  static char line[256];
  FILE *file = fopen(path, "r");
  const char *read = file == NULL ? NULL : fgets(line, sizeof line, file);
  if (file != NULL) fclose(file);
  if (read == NULL) return NULL;
  line[strcspn(line, "\r\n")] = '\0';
  return line;
}
