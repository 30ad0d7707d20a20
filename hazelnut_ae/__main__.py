from hazelnut_ae.cli import main

raise SystemExit(main())
