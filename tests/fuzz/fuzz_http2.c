/* Any bytes behind an HTTP/2 preface, cut and lost anywhere: entries are JSON that
 * reads back. */
#include "tests/fuzz/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "\0\030PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const size_t head = sizeof preface - 1;
    uint8_t *bytes = malloc(head + size);
    memcpy(bytes, preface, head);
    memcpy(bytes + head, data, size);
    fuzz_stream(STREAM_TCP, 443, bytes, head + size);
    free(bytes);
    return 0;
}
