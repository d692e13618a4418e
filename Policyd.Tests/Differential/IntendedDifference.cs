using Policyd.Protocol;

namespace Policyd.Tests.Differential;

/// <summary>
/// An answer that differs from mtpolicyd's on purpose: a row of docs/differences.md, and which answers it covers, as narrowly as can be
/// told.
/// </summary>
/// <param name="Row">The first column of its row.</param>
/// <param name="Covers">Whether it explains these two answers (mtpolicyd's first) to the request.</param>
internal sealed record IntendedDifference(string Row, Func<PolicyRequest, string, string, bool> Covers);
