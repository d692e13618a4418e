using Policyd.Configuration.Tree;
using Policyd.Engine.Loading;

namespace Policyd.Engine.Model;

/// <summary>What everybody is given who makes a part of a model from its configuration.</summary>
/// <param name="Environment">What surrounds the model.</param>
/// <param name="Modules">The modules that the configuration may name, those of its <c>plugin_folder</c> included.</param>
/// <param name="Diagnostics">Where errors go.</param>
internal sealed record BuildContext(ModelEnvironment Environment, ModuleRegistry Modules, DiagnosticBag Diagnostics);
