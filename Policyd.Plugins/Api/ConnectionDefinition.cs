using Policyd.Configuration.Options;
using Policyd.Configuration.Tree;

namespace Policyd.Plugins.Api;

/// <summary>A section of <c>connections</c>, checked by the known names of its module's options.</summary>
/// <param name="Name">The name by which plugins call it.</param>
/// <param name="Module">The name of its module, such as Sql or Redis.</param>
/// <param name="Section">Its options.</param>
/// <param name="Schema">The options of its module, with what is secret among them.</param>
public sealed record ConnectionDefinition(string Name, string Module, ConfigObject Section, OptionSchema Schema);
