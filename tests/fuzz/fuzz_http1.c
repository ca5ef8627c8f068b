/* Any bytes as an HTTP stream, cut and lost anywhere: entries are JSON that reads back.
 */
#include "tests/fuzz/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_stream(STREAM_TCP, 80, data, size);
    return 0;
}
