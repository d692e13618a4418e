using System.Text;
using Policyd.Server.Commands;
using Policyd.Server.Descriptors;
using Policyd.Server.Hosting;

NewFiles.AreClosedToOthers();

// UTF-8 without a BOM whatever the locale: an action may hold it, and under systemd the locale is often C.
var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var output = new StreamWriter(new StandardStream(StandardDescriptor.Output(), isLastResort: false), utf8) { NewLine = "\n" };
using var error = new StreamWriter(new StandardStream(StandardDescriptor.Error(), isLastResort: true), utf8)
{
    NewLine = "\n",
    AutoFlush = true,
};
using var input = new StreamReader(StandardDescriptor.Input(), utf8);
return await new PolicydCommandLine(input, output, error).RunAsync(args);
