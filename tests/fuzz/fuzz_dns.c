/* Any bytes as datagrams and as a stream of DNS: entries are JSON that reads back. */
#include "tests/fuzz/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t ports[] = {53, 5353, 10053};
    uint8_t first = size > 0 ? data[0] : 0;
    fuzz_stream(first & 1 ? STREAM_TCP : STREAM_UDP, ports[first / 2 % 3], data, size);
    return 0;
}
