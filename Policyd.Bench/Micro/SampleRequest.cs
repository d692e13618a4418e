using Policyd.Bench.Load;

namespace Policyd.Bench.Micro;

/// <summary>The request of the micro-benchmarks: what the load generator sends, so that their figures add up to its.</summary>
internal static class SampleRequest
{
    /// <summary>The bytes, with the closing empty line.</summary>
    public static byte[] Make()
    {
        var template = RequestTemplate.Compile([], epoch: 0x65000000);
        var buffer = new byte[template.MaxLength];
        return buffer[..template.Write(buffer, new RequestNumbers(500, 1, 1, 1, 0))];
    }
}
