using System.Text;
using System.Text.Json;
using Policyd.Configuration;
using Policyd.Configuration.Values;

namespace Policyd.Tests.Configuration;

/// <summary>Texts in JSON that are no valid Unicode are JSON errors, wherever they stand.</summary>
public sealed class StrictJsonSpecs
{
    public static TheoryData<string> LoneSurrogates =>
        ["""{"a":"\ud800"}""", """{"a":"\udc00x"}""", """{"\ud800":1}""", """{"a":{"b":["x","\ud83d\ud83d"]}}""", "\"\\ud800\""];

    public static TheoryData<string> BrokenBytes =>
        ["7B2261223A22FF227D", "7B2261223A22C3227D", "7B22EDA080223A317D", "7B2261223A5B22F8888080227D"];

    [Theory]
    [MemberData(nameof(LoneSurrogates))]
    public void Lone_surrogate_is_a_json_error(string json) => Assert.ThrowsAny<JsonException>(() => StrictJson.Parse(json));

    [Theory]
    [MemberData(nameof(BrokenBytes))]
    public void Broken_utf8_is_a_json_error(string hex) =>
        Assert.ThrowsAny<JsonException>(() => StrictJson.Parse(Convert.FromHexString(hex)));

    [Fact]
    public void Valid_text_is_read()
    {
        using var document = StrictJson.Parse(Encoding.UTF8.GetBytes("""{"ä":"\ud83d\ude00"}"""));
        Assert.Equal("\U0001F600", document.RootElement.GetProperty("ä").GetString());
    }
}
