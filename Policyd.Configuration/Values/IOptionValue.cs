using System.Diagnostics.CodeAnalysis;

namespace Policyd.Configuration.Values;

/// <summary>A type of option that is made from one text, such as a regular expression or an address.</summary>
/// <typeparam name="TSelf">The type itself.</typeparam>
public interface IOptionValue<TSelf> where TSelf : IOptionValue<TSelf>
{
    /// <summary>Makes the value.</summary>
    /// <param name="text">The text of the scalar.</param>
    /// <param name="value">The value.</param>
    /// <param name="error">What is wrong, without the option's name and place, which the binder puts before it.</param>
    /// <returns>False when the text is no such value.</returns>
    [SuppressMessage("Naming", "CA1716", Justification = "A reserved word of Visual Basic, and the natural name here.")]
    static abstract bool TryParse(string text, out TSelf? value, out string? error);
}
