/** Services to start from, on addresses that are free. */

/** Return the examples: {t, name, settings}. */
export function starts(services) {
  const tcp = services.freeListen("tcp");
  const udp = services.freeListen("udp");
  return [
    { t: "start.echo-tcp", name: services.freeName("echo-tcp"), settings: { listen: tcp, protocol: "echo" } },
    { t: "start.echo-udp", name: services.freeName("echo-udp"), settings: { listen: udp, protocol: "echo" } },
    {
      t: "start.hello",
      name: services.freeName("hello"),
      settings: { listen: tcp, protocol: "reply", reply: "hi", then: "close" },
    },
    {
      t: "start.rules",
      name: services.freeName("smtp-double"),
      settings: {
        listen: tcp,
        protocol: "reply",
        framing: "line",
        greeting: "220 double ready\r\n",
        rules: [
          { when: { regex: "^(?i:EHLO) (\\S+)" }, reply: "250 hello {1}\r\n" },
          { when: { equals: "QUIT" }, reply: "221 bye\r\n", then: "close" },
          { reply: "500 unknown\r\n" },
        ],
      },
    },
  ];
}
