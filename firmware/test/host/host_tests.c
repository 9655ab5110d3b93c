/* Tests of what runs on a host only. */
#include "check.h"
#include "suites.h"

int main(void) {
  fleet_tests();
  session_tests();
  return finish();
}
