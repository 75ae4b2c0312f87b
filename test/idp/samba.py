# Seeds an Active Directory that does not run yet. Usage: samba.py SMB.CONF SAM.LDB <JSON
import json
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

given = json.load(sys.stdin)
lp = LoadParm()
lp.load(sys.argv[1])
db = SamDB(url=sys.argv[2], session_info=system_session(lp), lp=lp)
db.modify_ldif("""dn: %s
changetype: modify
replace: pwdProperties
pwdProperties: 0
replace: minPwdLength
minPwdLength: 4
""" % db.domain_dn())
db.newuser(given["Search"], given["SearchPassword"])
groups = {}
for p in given["People"]:
    db.newuser(p["Name"], p["Password"], mailaddress=p["Email"])
    # As Microsoft's own tools do.
    db.modify_ldif(f"""
dn: CN={p["Name"]},CN=Users,{db.domain_dn()}
changetype: modify
add: displayName
displayName: {p["Name"].capitalize()} Example
""")
    # Active Directory is full of names like this one.
    dn = ldb.Dn(db, "CN=Users," + db.domain_dn())
    dn.add_child("CN=x")
    dn.set_component(0, "CN", "Example, " + p["Name"].capitalize())
    db.rename("CN=%s,CN=Users,%s" % (p["Name"], db.domain_dn()), dn)
    for g in p["Groups"]:
        groups.setdefault(g, []).append(p["Name"])
for g, members in groups.items():
    db.newgroup(g)
    db.add_remove_group_members(g, members, add_members_operation=True)
db.newgroup("everyone")
db.add_remove_group_members("everyone", ["developers"], add_members_operation=True)
db.disable_account("(sAMAccountName=%s)" % given["Disabled"])
