#define _POSIX_C_SOURCE 200809L
#include "time_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define YEAR_1_MS (-62135596800000)
#define YEAR_10000_MS 253402300800000

/* Takes exactly `count` digits. */
static bool digits(const char **text, int count, int *value) {
  *value = 0;
  for (int i = 0; i < count; i++) {
    char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + (c - '0');
  }
  *text += count;
  return true;
}

static bool literal(const char **text, char c) {
  if (**text != c) return false;
  (*text)++;
  return true;
}

/* Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int year, int month, int day) {
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t year_of_era = y - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int days_in_month(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : days[month - 1];
}

static bool parse_fraction(const char **text, int *ms) {
  int place = 100;
  int count = 0;
  *ms = 0;
  for (; **text >= '0' && **text <= '9'; (*text)++, count++) {
    if (place == 0 && **text != '0') return false;
    *ms += (**text - '0') * place;
    place /= 10;
  }
  return count > 0;
}

static bool parse_zone(const char **text, int *minutes) {
  int hour;
  int minute = 0;
  bool west = **text == '-';
  *minutes = 0;
  if (**text == '\0' || literal(text, 'Z')) return true;
  if (!west && **text != '+') return false;
  (*text)++;
  if (!digits(text, 2, &hour)) return false;
  (void)literal(text, ':');
  if (**text != '\0' && !digits(text, 2, &minute)) return false;
  if (hour > 18 || minute > 59) return false;
  *minutes = (hour * 60 + minute) * (west ? -1 : 1);
  return true;
}

static bool parse_iso(const char *text, int64_t *time_ms) {
  int year, month, day, hour, minute, second = 0, ms = 0, zone;

  if (!digits(&text, 4, &year) || !literal(&text, '-') || !digits(&text, 2, &month) || !literal(&text, '-') ||
      !digits(&text, 2, &day))
    return false;
  if (!literal(&text, 'T') && !literal(&text, ' ')) return false;
  if (!digits(&text, 2, &hour) || !literal(&text, ':') || !digits(&text, 2, &minute)) return false;
  if (literal(&text, ':') && !digits(&text, 2, &second)) return false;
  if (literal(&text, '.') && !parse_fraction(&text, &ms)) return false;
  if (!parse_zone(&text, &zone) || *text != '\0') return false;
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  *time_ms = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute - zone) * 60000 + second * 1000 + ms;
  return true;
}

bool time_text_parse(const char *text, int64_t *time_ms) {
  size_t length = strspn(text + (*text == '-' ? 1 : 0), "0123456789");
  if (length >= 5 && length <= 18 && text[length + (*text == '-' ? 1 : 0)] == '\0') {
    *time_ms = strtoll(text, NULL, 10);
    return *time_ms >= YEAR_1_MS && *time_ms < YEAR_10000_MS;
  }
  return parse_iso(text, time_ms) && *time_ms >= YEAR_1_MS && *time_ms < YEAR_10000_MS;
}

static char *add_digits(char *end, int count, int value, char after) {
  for (int i = count - 1; i >= 0; i--, value /= 10) end[i] = (char)('0' + value % 10);
  end[count] = after;
  return end + count + 1;
}

void time_text_write(int64_t time_ms, char out[TIME_TEXT_LENGTH]) {
  int ms = (int)(time_ms % 1000);
  time_t seconds = (time_t)(time_ms / 1000);
  struct tm utc;
  if (ms < 0) {
    ms += 1000;
    seconds--;
  }
  (void)gmtime_r(&seconds, &utc);
  out = add_digits(out, 4, utc.tm_year + 1900, '-');
  out = add_digits(out, 2, utc.tm_mon + 1, '-');
  out = add_digits(out, 2, utc.tm_mday, 'T');
  out = add_digits(out, 2, utc.tm_hour, ':');
  out = add_digits(out, 2, utc.tm_min, ':');
  out = add_digits(out, 2, utc.tm_sec, '.');
  (void)add_digits(out, 3, ms, 'Z');
}
