namespace Policyd.Backends.Schema;

/// <summary>
/// The server's own tables were made by a newer server. What is in them may mean something else than this server knows, so it uses none of
/// them. The message is a sentence for operators.
/// </summary>
public sealed class NewerSchemaException : InvalidOperationException
{
    internal NewerSchemaException(string database, OwnTableGroup tables, int found)
        : base(
            $"{database}: the tables of {tables.Group} ({OwnTableGroup.Versions}) have version {found}, and this server knows no "
                + $"version after {tables.Version}; run the version of policyd that changed them, or a newer one")
    {
    }
}
